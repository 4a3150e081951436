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
finish('openfeature_web');
