// @growthbook/growthbook: it evaluates flags by itself, or asks the server (remote evaluation).
import { GrowthBook, setPolyfills } from '@growthbook/growthbook';
import { assignment, clientKey, finish, must, plain, split, url } from './common.mjs';

let statuses = [];
setPolyfills({
  fetch: async (...request) => {
    const response = await fetch(...request);
    statuses.push(response.status);
    return response;
  },
});

async function started(attributes, options = {}) {
  const seen = [];
  const growthbook = new GrowthBook({
    apiHost: url,
    clientKey,
    attributes,
    trackingCallback: (experiment, result) => void seen.push([experiment.key, result.key]),
    ...options,
  });
  const { success, error } = await growthbook.init({ timeout: 10_000 });
  return { growthbook, seen, success, error };
}

for (const remoteEval of [false, true]) {
  const client = remoteEval ? 'growthbook-remote' : 'growthbook-local';
  const { growthbook, success } = await started({ id: `${client}-ann`, plan: 'free', age: 30 }, { remoteEval });
  must('the features are loaded', success, true);
  for (const { key, value, otherwise } of plain) {
    must(`${key} has its value`, growthbook.getFeatureValue(key, otherwise), value);
  }
  must('a disabled flag has the off variant', growthbook.getFeatureValue('sdk-disabled', 'x'), 'off');
  must('an unknown flag has the default', growthbook.getFeatureValue('sdk-unknown', 'x'), 'x');
  must('an unknown flag is reported', growthbook.evalFeature('sdk-unknown').source, 'unknownFeature');

  must('the targeting rule does not match', growthbook.getFeatureValue('sdk-targeted', 'x'), 'basic');
  await growthbook.setAttributes({ id: `${client}-ann`, plan: 'pro', age: 30 });
  must('changed attributes are evaluated again', growthbook.getFeatureValue('sdk-targeted', 'x'), 'extended');
  await growthbook.setAttributes({ id: `${client}-ann`, plan: 'pro', age: 17 });
  must('both parts of the rule must match', growthbook.getFeatureValue('sdk-targeted', 'x'), 'basic');
  growthbook.destroy();

  const values = async (id) => {
    const { growthbook, seen } = await started({ id }, { remoteEval });
    const found = { rollout: growthbook.getFeatureValue('sdk-rollout', null), tested: growthbook.getFeatureValue('sdk-tested', null) };
    const { variant } = await assignment('sdk-test', id);
    must(`the experiment of ${id} is reported once, and the rollout is none`, seen, [['sdk-test', variant]]);
    growthbook.destroy();
    return found;
  };
  // Only remote evaluation stores assignments: a client that evaluates by itself sends its exposures as events.
  await split(client, values, { stored: remoteEval });

  const anonymous = await started({}, { remoteEval });
  must('without a user, the experiment has the default variant', anonymous.growthbook.getFeatureValue('sdk-tested', 'x'), 'not enrolled');
  anonymous.growthbook.destroy();

  for (const wrong of ['ck_AAAAAAAAAAAAAAAAAAAAAA', 'nonsense']) {
    statuses = [];
    const refused = await started({ id: 'ann' }, { remoteEval, clientKey: wrong });
    must('a wrong key loads nothing', refused.success, false);
    must('with 401', statuses, [401]);
    must('a wrong key gets defaults', refused.growthbook.getFeatureValue('sdk-boolean', 'x'), 'x');
    refused.growthbook.destroy();
  }
}
finish('growthbook');
