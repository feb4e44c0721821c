// An OpenID provider nobody here wrote: npm oidc-provider with its own development login and consent pages.
// Options (one JSON argument): port, clients (OpenID client metadata), signing (JWKs with private parts), people
// ({id: claims}), profile (extra oidc-provider configuration).
import { randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${options.port}`;

const provider = new Provider(issuer, {
  clients: options.clients,
  jwks: { keys: options.signing },
  cookies: { keys: [randomUUID()] },
  claims: { openid: ['sub'], profile: ['name', 'birthdate', 'gender'], email: ['email'] },
  findAccount: (ctx, id) => options.people[id] && {
    accountId: id,
    claims: () => ({ sub: id, ...options.people[id] }),
  },
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'],
    clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256'],
    userinfoSigningAlgValues: ['RS256', 'PS256', 'ES256'],
    userinfoEncryptionAlgValues: ['RSA-OAEP-256'],
    userinfoEncryptionEncValues: ['A256GCM', 'A128CBC-HS256'],
  },
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    jwtUserinfo: { enabled: true },
    encryption: { enabled: true },
  },
  // the claims themselves go into userinfo, as OpenID Connect Core 5.4 says for the code flow
  conformIdTokenClaims: true,
  ...options.profile,
});

provider.on('server_error', (ctx, error) => console.log('server_error', error.stack));
for (const event of ['grant.error', 'authorization.error', 'userinfo.error', 'end_session.error']) {
  provider.on(event, (ctx, error) => console.log(event, error.error, error.error_description, error.error_detail));
}
for (const event of ['end_session.success', 'grant.success']) {
  provider.on(event, (ctx) => console.log(event, ctx.oidc.client?.clientId));
}
provider.listen(options.port, '127.0.0.1', () => console.log('ready'));
