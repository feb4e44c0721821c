// An application nobody here wrote: npm openid-client behind four addresses.
//   /login?name=N   starts the code flow with PKCE for client N      /callback  ends it; answers what came, as JSON
//   /refresh        uses the refresh token of the last login         /logout    RP-initiated logout
//   /machine?name=N client credentials
// Options (one JSON argument): port, issuer, clients ({name: {metadata, jwks, params}}).
import http from 'node:http';
import { Issuer, generators, custom } from 'openid-client';

const options = JSON.parse(process.argv[2]);
const origin = `http://127.0.0.1:${options.port}`;
custom.setHttpOptionsDefaults({ timeout: 20000 });

const issuer = await Issuer.discover(options.issuer);
const clients = Object.fromEntries(Object.entries(options.clients).map(([name, { metadata, jwks }]) => [name, new issuer.Client({
  redirect_uris: [`${origin}/callback`], response_types: ['code'], ...metadata,
}, jwks)]));
const open = new Map();
let last;

const pages = {
  '/login': (query) => {
    const name = query.get('name');
    const checks = { state: generators.state(), nonce: generators.nonce(), code_verifier: generators.codeVerifier(), response_type: 'code' };
    open.set(checks.state, { name, checks });
    return {
      location: clients[name].authorizationUrl({
        scope: 'openid profile email', state: checks.state, nonce: checks.nonce,
        code_challenge: generators.codeChallenge(checks.code_verifier), code_challenge_method: 'S256', ...options.clients[name].params,
      }),
    };
  },
  '/callback': async (query, request) => {
    const params = issuer.Client.prototype.callbackParams.call(clients[Object.keys(clients)[0]], request);
    const { name, checks } = open.get(params.state);
    open.delete(params.state);
    const tokens = await clients[name].callback(`${origin}/callback`, params, checks);
    last = { name, tokens };
    return { json: { params, tokens, claims: tokens.claims(), userinfo: await clients[name].userinfo(tokens) } };
  },
  '/refresh': async () => {
    const before = last.tokens;
    last.tokens = await clients[last.name].refresh(before);
    return { json: { before, tokens: last.tokens, claims: last.tokens.claims(), userinfo: await clients[last.name].userinfo(last.tokens) } };
  },
  '/refresh-again': async (query) => ({ json: await clients[last.name].refresh(query.get('token')) }),
  '/machine': async (query) => ({ json: await clients[query.get('name')].grant({ grant_type: 'client_credentials' }) }),
  '/logout': (query) => ({
    location: clients[last.name].endSessionUrl({ id_token_hint: last.tokens.id_token, post_logout_redirect_uri: `${origin}/bye`, state: query.get('state') }),
  }),
  '/bye': (query) => ({ json: { state: query.get('state') } }),
  '/metadata': () => ({ json: issuer.metadata }),
};

http.createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  let answer;
  try {
    answer = await pages[url.pathname](url.searchParams, request);
  } catch (error) {
    response.statusCode = 500;
    answer = { json: { name: error.name, error: error.error, description: error.error_description, message: error.message } };
  }
  if (answer.location) {
    response.writeHead(302, { location: answer.location }).end();
  } else {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer.json));
  }
}).listen(options.port, '127.0.0.1', () => console.log('ready'));
