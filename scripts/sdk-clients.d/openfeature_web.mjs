// @openfeature/web-sdk with @openfeature/ofrep-web-provider: all flags of one user at once, kept in the page.
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { ErrorCode, OpenFeature, ProviderStatus, StandardResolutionReasons as Reason } from '@openfeature/web-sdk';
import { api, bearer, clientKey, eventually, finish, must, plain, split, url } from './common.mjs';

const POLL_MS = 150;
let statuses = [];
const counted = async (...request) => {
  const response = await fetch(...request);
  statuses.push(response.status);
  return response;
};
const provider = (options = {}) =>
  new OFREPWebProvider({
    baseUrl: url,
    headers: Object.entries(bearer(clientKey)),
    fetchImplementation: counted,
    cacheMode: 'disabled',
    ...options,
  });

await OpenFeature.setContext({ targetingKey: 'web-ann', plan: 'free', age: 30 });
await OpenFeature.setProviderAndWait(provider({ pollInterval: POLL_MS }));
const client = OpenFeature.getClient();

for (const { key, type, variant, value, otherwise } of plain) {
  const read = { boolean: 'getBooleanDetails', string: 'getStringDetails', number: 'getNumberDetails', object: 'getObjectDetails' };
  const details = client[read[type]](key, otherwise);
  must(`${key} has its value`, details.value, value);
  must(`${key} has its variant`, details.variant, variant);
  must(`${key} has no error`, details.errorCode, undefined);
}
must('another type is refused', client.getStringDetails('sdk-boolean', 'x').errorCode, ErrorCode.TYPE_MISMATCH);
const disabled = client.getStringDetails('sdk-disabled', 'x');
must('a disabled flag has the off variant', [disabled.value, disabled.reason], ['off', Reason.DISABLED]);
const unknown = client.getStringDetails('sdk-unknown', 'x');
must('an unknown flag has the default', [unknown.value, unknown.errorCode], ['x', ErrorCode.FLAG_NOT_FOUND]);

// The provider sends the last ETag again as long as the targetingKey is the same.
must('the targeting rule does not match', client.getStringValue('sdk-targeted', 'x'), 'basic');
await OpenFeature.setContext({ targetingKey: 'web-ann', plan: 'pro', age: 30 });
const targeted = client.getStringDetails('sdk-targeted', 'x');
must('a changed context is evaluated again', [targeted.value, targeted.reason], ['extended', Reason.TARGETING_MATCH]);
await OpenFeature.setContext({ targetingKey: 'web-ann', plan: 'free', age: 30 });
must('and so is the earlier context', client.getStringValue('sdk-targeted', 'x'), 'basic');

statuses = [];
await eventually('unchanged flags are not sent again', () => statuses.filter((status) => status === 304).length >= 3);
must('no poll gets unchanged flags', statuses.includes(200), false);
must('the flag is unchanged', client.getStringValue('sdk-changed', 'x'), 'before');
const change = (variant) =>
  api('PATCH', '/flags/sdk-changed', {
    environments: { production: { enabled: true, off_variant: 'before', default_variant: variant } },
  });
await change('after');
await eventually('a poll gets the change', () => client.getStringValue('sdk-changed', 'x') === 'after');
await change('before');
await eventually('a poll gets the next change', () => client.getStringValue('sdk-changed', 'x') === 'before');
await OpenFeature.clearProviders();

await OpenFeature.setProviderAndWait(provider());
await split(
  'web',
  async (user) => {
    await OpenFeature.setContext({ targetingKey: user });
    const [rollout, tested] = [client.getBooleanDetails('sdk-rollout', false), client.getStringDetails('sdk-tested', 'x')];
    must(`the hash decides about ${user}`, tested.reason, Reason.SPLIT);
    return { rollout: rollout.value, tested: tested.value };
  },
  { stored: true },
);
await OpenFeature.setContext({});
must('without a user, flags that need none have values', client.getBooleanValue('sdk-boolean', false), true);
const anonymous = client.getStringDetails('sdk-tested', 'x');
must('the others have the default', [anonymous.value, anonymous.errorCode], ['x', ErrorCode.TARGETING_KEY_MISSING]);

for (const wrong of ['ck_AAAAAAAAAAAAAAAAAAAAAA', 'nonsense']) {
  statuses = [];
  const failed = OpenFeature.setProviderAndWait('wrong', provider({ headers: Object.entries(bearer(wrong)) }));
  must('a wrong key is reported', await failed.then(() => 'ready', () => 'failed'), 'failed');
  must('with 401', statuses, [401]);
  const other = OpenFeature.getClient('wrong');
  must('the provider gives up', other.providerStatus, ProviderStatus.FATAL);
  must('a wrong key gets defaults', other.getBooleanValue('sdk-boolean', false), false);
}
await OpenFeature.close();

// What a browser asks for before the requests of both clients, and what it lets a page read.
const Origin = 'https://shop.example';
const list = (response, name) => (response.headers.get(name) ?? '').toLowerCase().split(/,\s*/);
const requests = [
  ['POST', '/ofrep/v1/evaluate/flags', ['authorization', 'content-type', 'if-none-match']],
  ['POST', '/ofrep/v1/evaluate/flags/sdk-boolean', ['authorization', 'content-type']],
  ['POST', `/api/eval/${clientKey}`, ['content-type']],
];
for (const [method, path, names] of requests) {
  const asked = { Origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': names.join(',') };
  const preflight = await fetch(url + path, { method: 'OPTIONS', headers: asked });
  must(`the preflight request of ${path} succeeds`, preflight.ok, true);
  must('for the page', ['*', Origin].includes(preflight.headers.get('Access-Control-Allow-Origin')), true);
  must('with the method', list(preflight, 'Access-Control-Allow-Methods').includes(method.toLowerCase()), true);
  const allowed = list(preflight, 'Access-Control-Allow-Headers');
  must('with the headers', names.filter((name) => !allowed.includes(name)), []);
}
for (const [method, path] of [...requests, ['GET', `/api/features/${clientKey}`]]) {
  const body = method === 'POST' ? '{}' : undefined;
  const headers = { Origin, ...bearer(clientKey), 'Content-Type': 'application/json' };
  const response = await fetch(url + path, { method, headers, body });
  must(`${path} is answered`, response.status, 200);
  must('the page may read it', ['*', Origin].includes(response.headers.get('Access-Control-Allow-Origin')), true);
  const exposed = list(response, 'Access-Control-Expose-Headers');
  must('with its headers', ['etag', 'retry-after'].filter((name) => !exposed.includes(name)), []);
}
const refused = await fetch(`${url}/ofrep/v1/evaluate/flags`, { method: 'POST', headers: { Origin, ...bearer('nonsense') } });
must('and an error too', [refused.status, refused.headers.get('Access-Control-Allow-Origin')], [401, '*']);
finish('openfeature_web');
