// npm jose by the piece. Each line of standard input is a request (JSON), each line of standard output its answer.
//   {do: "generate", alg, [options]}                     -> {private, public, kid}: kid is the RFC 7638 thumbprint
//   {do: "thumbprint", jwk}                              -> {kid}
//   {do: "verify", token, jwks, options}                 -> {payload, header} or {error}
//   {do: "sign", payload, header, jwk}                   -> {token}
//   {do: "encrypt", text, header, jwk}                   -> {token}
//   {do: "decrypt", token, jwk}                          -> {text, header} or {error}
import readline from 'node:readline';
import * as jose from 'jose';

const bytes = (text) => new TextEncoder().encode(text);
const actions = {
  generate: async ({ alg, options }) => {
    const pair = await jose.generateKeyPair(alg, { modulusLength: 2048, extractable: true, ...options });
    const shown = await jose.exportJWK(pair.publicKey);
    const kid = await jose.calculateJwkThumbprint(shown);
    return { private: { ...await jose.exportJWK(pair.privateKey), kid, alg }, public: { ...shown, kid, alg }, kid };
  },
  thumbprint: async ({ jwk }) => ({ kid: await jose.calculateJwkThumbprint(jwk) }),
  verify: async ({ token, jwks, options }) => {
    const { payload, protectedHeader: header } = await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), options);
    return { payload, header };
  },
  sign: async ({ payload, header, jwk }) => ({
    token: await new jose.CompactSign(bytes(JSON.stringify(payload))).setProtectedHeader(header).sign(await jose.importJWK(jwk, header.alg)),
  }),
  encrypt: async ({ text, header, jwk }) => ({
    token: await new jose.CompactEncrypt(bytes(text)).setProtectedHeader(header).encrypt(await jose.importJWK(jwk, header.alg)),
  }),
  decrypt: async ({ token, jwk }) => {
    const alg = jose.decodeProtectedHeader(token).alg;
    const { plaintext, protectedHeader: header } = await jose.compactDecrypt(token, await jose.importJWK(jwk, alg));
    return { text: new TextDecoder().decode(plaintext), header };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await actions[request.do](request);
  } catch (error) {
    answer = { error: error.code ?? error.message, message: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
