// @growthbook/growthbook with an encrypted payload and hashes of secure attributes, compared with remote evaluation.
import { createHash } from 'node:crypto';
import { GrowthBook } from '@growthbook/growthbook';
import { api, eventually, finish, must, plain, url } from './common.mjs';

const salt = 'a salt of the tests';
const hash = (value) => createHash('sha256').update(salt + value).digest('hex');
const names = ['email', 'groups'];
const secure_attributes = { names, salt };
const encrypted = await api('POST', '/client-keys', { name: 'Encrypted', encrypted: true, secure_attributes });
const readable = await api('POST', '/client-keys', { name: 'Hashed', secure_attributes });

const conditions = {
  'sdk-email': { email: 'ann@example.com' },
  'sdk-emails': { email: { $in: ['ann@example.com', 'zoé@例.jp', null] } },
  'sdk-others': { email: { $exists: true, $nin: ['ann@example.com'] } },
  'sdk-groups': { groups: { $all: ['staff'], $size: { $gte: 1 } } },
  'sdk-no-group': { $not: { groups: { $elemMatch: { $eq: 'staff' } } } },
  'sdk-company': { email: { $regex: '@example' } },
};
for (const [key, condition] of Object.entries(conditions)) {
  await api('POST', '/flags', {
    key, name: key, value_type: 'boolean', variants: [{ key: 'on', value: true }, { key: 'off', value: false }],
    environments: { production: {
      enabled: true, off_variant: 'off', default_variant: 'off', rules: [{ id: 'r', type: 'serve', condition, variant: 'on' }],
    } },
  });
}
const payload = async ({ key }) => {
  const response = await fetch(`${url}/api/features/${key}`);
  return { text: await response.text(), etag: response.headers.get('etag') };
};
await eventually('the flags are served', async () => (await payload(readable)).text.includes('sdk-no-group'));
// Another function, which reads the flags by itself.
const remotely = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"attributes":{"id":"ann"}}' };
const evaluation = async () => (await fetch(`${url}/api/eval/${readable.key}`, remotely)).text();
await eventually('the flags are evaluated', async () => (await evaluation()).includes('sdk-no-group'));
const shown = await payload(readable);
for (const value of ['ann@example.com', 'staff']) must(`${value} is not shown`, shown.text.includes(value), false);
must('the reason is shown', JSON.parse(shown.text).serverOnly['sdk-company'], 'secure_attribute');
const hidden = await payload(encrypted);
must('no flag is shown', hidden.text.includes('sdk-'), false);
must('the tag is stable', await payload(encrypted), hidden);

const started = async (attributes, options) => {
  const growthbook = new GrowthBook({ apiHost: url, attributes, ...options });
  await growthbook.init({ timeout: 10_000, skipCache: true });
  return growthbook;
};
const local = { clientKey: encrypted.key, decryptionKey: encrypted.decryption_key };
for (const email of ['ann@example.com', 'zoé@例.jp', 'bob@example.com', undefined]) {
  for (const groups of [['staff', 'beta'], ['beta'], [], undefined]) {
    // A missing attribute is no attribute with the value undefined.
    const user = (of) => ({ id: 'ann', ...(email && { email: of(email) }), ...(groups && { groups: groups.map(of) }) });
    const evaluated = await started(user(hash), local);
    const remote = await started(user((value) => value), { clientKey: encrypted.key, remoteEval: true });
    for (const key of Object.keys(conditions)) {
      if (key === 'sdk-company') must('only the server evaluates it', evaluated.evalFeature(key).source, 'unknownFeature');
      else must(`${key} of ${email} in ${groups}`, evaluated.isOn(key), remote.isOn(key));
    }
    for (const { key, value, otherwise } of plain) must(`${key} is decrypted`, evaluated.getFeatureValue(key, otherwise), value);
    evaluated.destroy();
    remote.destroy();
  }
}
// The SDK writes the error to the console.
console.error = () => {};
const wrong = await started({ id: 'ann' }, { ...local, decryptionKey: readable.key.slice(3).padEnd(24, '=') });
must('another key decrypts nothing', wrong.evalFeature('sdk-boolean').source, 'unknownFeature');
wrong.destroy();
finish('growthbook_hidden');
