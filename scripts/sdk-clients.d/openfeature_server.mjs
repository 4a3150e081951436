// @openfeature/server-sdk with @openfeature/ofrep-provider: one request for each evaluation.
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { ErrorCode, OpenFeature, StandardResolutionReasons as Reason } from '@openfeature/server-sdk';
import { bearer, clientKey, finish, must, plain, split, url } from './common.mjs';

let statuses = [];
const counted = async (...request) => {
  const response = await fetch(...request);
  statuses.push(response.status);
  return response;
};
const provider = (token) =>
  new OFREPProvider({ baseUrl: url, headers: Object.entries(bearer(token)), fetchImplementation: counted });
const ann = { targetingKey: 'server-ann' };

// A server has a token with the scope `assign`, or a client key.
for (const credential of [process.env.ASSAY_TOKEN, clientKey]) {
  await OpenFeature.setProviderAndWait(provider(credential));
  const client = OpenFeature.getClient();
  for (const { key, type, variant, value, otherwise } of plain) {
    const read = { boolean: 'getBooleanDetails', string: 'getStringDetails', number: 'getNumberDetails', object: 'getObjectDetails' };
    const details = await client[read[type]](key, otherwise, ann);
    must(`${key} has its value`, details.value, value);
    must(`${key} has its variant`, details.variant, variant);
    must(`${key} has no error`, details.errorCode, undefined);
  }
}
const client = OpenFeature.getClient();
const wrongType = await client.getStringDetails('sdk-boolean', 'x', ann);
must('another type is refused', [wrongType.value, wrongType.errorCode], ['x', ErrorCode.TYPE_MISMATCH]);
const disabled = await client.getStringDetails('sdk-disabled', 'x', ann);
must('a disabled flag has the off variant', [disabled.value, disabled.reason], ['off', Reason.DISABLED]);
for (const key of ['sdk-unknown', 'not a key é']) {
  const unknown = await client.getStringDetails(key, 'x', ann);
  must('an unknown flag has the default', [unknown.value, unknown.errorCode], ['x', ErrorCode.FLAG_NOT_FOUND]);
}
for (const [plan, age, value, reason] of [
  ['free', 30, 'basic', Reason.DEFAULT],
  ['pro', 30, 'extended', Reason.TARGETING_MATCH],
  ['pro', 17, 'basic', Reason.DEFAULT],
  ['team', 18, 'extended', Reason.TARGETING_MATCH],
]) {
  const targeted = await client.getStringDetails('sdk-targeted', 'x', { ...ann, plan, age });
  must(`the rule decides for ${plan} and ${age}`, [targeted.value, targeted.reason], [value, reason]);
}
await split(
  'server',
  async (targetingKey) => ({
    rollout: await client.getBooleanValue('sdk-rollout', false, { targetingKey }),
    tested: await client.getStringValue('sdk-tested', 'x', { targetingKey }),
  }),
  { stored: true },
);
const anonymous = await client.getStringDetails('sdk-tested', 'x', {});
must('without a user, an experiment has the default', [anonymous.value, anonymous.errorCode], ['x', ErrorCode.TARGETING_KEY_MISSING]);
must('and a flag that needs no user its value', await client.getBooleanValue('sdk-boolean', false, {}), true);
const invalid = await client.getStringDetails('sdk-tested', 'x', { ...ann, id: 'another' });
must('a context with two users is refused', [invalid.value, invalid.errorCode], ['x', ErrorCode.INVALID_CONTEXT]);

for (const wrong of ['ck_AAAAAAAAAAAAAAAAAAAAAA', 'nonsense']) {
  statuses = [];
  await OpenFeature.setProviderAndWait('wrong', provider(wrong));
  const details = await OpenFeature.getClient('wrong').getBooleanDetails('sdk-boolean', false, ann);
  must('a wrong key gets defaults', [details.value, details.reason], [false, Reason.ERROR]);
  must('with 401', statuses, [401]);
}
await OpenFeature.close();
finish('openfeature_server');
