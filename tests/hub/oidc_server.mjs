// An OpenID provider: the npm package oidc-provider on a port of its own, with people that the tests change.
//
// Arguments: the path of oidc-provider's main module, and its settings as JSON (see tests/hub/oidc_server.py).
// It prints its issuer once it answers. `PUT /control` takes {"people": {login: claims}, "bend": {…} or null}.
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const [, , library, text] = process.argv;
const settings = JSON.parse(text);
const { default: Provider } = await import(library);

const newKey = (kid) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { privateKey, jwk: { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' } };
};
const own = newKey('own');
const anothers = newKey('own');
let people = {};
let bend = null;

const pem = settings.certificate && readFileSync(settings.certificate);
const server = pem ? https.createServer({ cert: pem, key: pem }) : http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http${pem ? 's' : ''}://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: settings.client_id,
    client_secret: settings.client_secret,
    redirect_uris: [settings.redirect_uri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'preferred_username', 'groups', 'uidNumber', 'gidNumber'],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ['for tests only'] },
  extraParams: ['login'],
  features: { devInteractions: { enabled: false } },
  findAccount: (ctx, id) => people[id] && {
    accountId: id,
    claims: () => ({ ...people[id], sub: people[id].sub ?? id }),
  },
  interactions: { url: (ctx, interaction) => `/control/login/${interaction.uid}` },
  issueRefreshToken: (ctx, client) => settings.refresh_tokens && client.grantTypeAllowed('refresh_token'),
  jwks: { keys: [own.jwk] },
  loadExistingGrant: async (ctx) => {
    const { client, session } = ctx.oidc;
    const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
  renderError: (ctx, out) => { ctx.type = 'json'; ctx.body = out; },
  rotateRefreshToken: true,
  routes: { authorization: '/authorize' },
  ttl: {
    AccessToken: settings.lifetime, IdToken: settings.lifetime, AuthorizationCode: 60, Grant: 86400,
    Interaction: 600, RefreshToken: 86400, Session: 86400,
  },
});

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Return an id token with other claims, signed with the provider's key or another; or with no signature. */
function bent(token) {
  const [head, body] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  const signed = `${encoded({ ...head, ...bend.head })}.${encoded({ ...body, ...bend.claims })}`;
  if (bend.unsigned) return `${signed}.`;
  const { privateKey } = bend.forged ? anothers : own;
  return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
}

/** Let `response` bend the id token in its body, and leave out what `bend.without` names. */
function bending(response) {
  const end = response.end.bind(response);
  response.end = (body, ...rest) => {
    const answer = JSON.parse(body);
    if (answer.id_token) answer.id_token = bent(answer.id_token);
    for (const key of bend.without ?? []) delete answer[key];
    const changed = JSON.stringify(answer);
    response.setHeader('Content-Length', Buffer.byteLength(changed));
    return end(changed, ...rest);
  };
}

async function control(request, response) {
  if (request.method === 'PUT') {
    const parts = [];
    for await (const part of request) parts.push(part);
    ({ people, bend } = JSON.parse(Buffer.concat(parts)));
    response.end();
    return;
  }
  const { params } = await provider.interactionDetails(request, response);
  await provider.interactionFinished(request, response, { login: { accountId: params.login } });
}

const answer = provider.callback();
server.on('request', (request, response) => {
  if (request.url.startsWith('/control')) {
    control(request, response).catch((error) => { response.statusCode = 500; response.end(String(error)); });
    return;
  }
  if (bend?.fail?.includes(request.url.split('?')[0])) {
    response.statusCode = 503;
    response.end();
    return;
  }
  if (bend && request.url === '/token') bending(response);
  answer(request, response);
});
console.log(issuer);
