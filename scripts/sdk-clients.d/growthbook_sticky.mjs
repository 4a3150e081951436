// @growthbook/growthbook with the sticky-bucket service of docs/sdks.md: users keep their stored variants, although the SDK
// evaluates by itself and the weights have changed, and the server stores what the SDK has chosen.
import { readFileSync, writeFileSync } from 'node:fs';
import { GrowthBook } from '@growthbook/growthbook';
import { api, assignment, clientKey, eventually, finish, must, url, users } from './common.mjs';

const [service] = /^class AssayStickyBuckets [^]*?^}$/m.exec(readFileSync(`${process.env.SDK_DOCS}/sdks.md`, 'utf8'));
const file = new URL('assay-sticky-buckets.mjs', import.meta.url);
writeFileSync(file, `import { StickyBucketService } from '@growthbook/growthbook';\nexport ${service}\n`);
const { AssayStickyBuckets } = await import(file);

const variants = (control, green) => [{ key: 'control', percent: control }, { key: 'green', percent: green }];
await api('POST', '/experiments', { id: 'sdk-sticky', name: 'Sticky', variants: variants(50, 50), targeting: { plan: 'pro' } });
await api('POST', '/flags', {
  key: 'sdk-sticky', name: 'Sticky', value_type: 'string',
  variants: [{ key: 'none', value: 'none' }, { key: 'grey', value: 'grey' }, { key: 'green', value: 'green' }],
  environments: { production: {
    enabled: true, off_variant: 'none', default_variant: 'none',
    rules: [{ id: 'test', type: 'experiment', experiment: 'sdk-sticky', variants: { control: 'grey', green: 'green' } }],
  } },
});

async function value(id, { sticky = true } = {}) {
  const attributes = { id, plan: 'pro' };
  const stickyBucketService = sticky
    ? new AssayStickyBuckets({ apiHost: url, clientKey, attributes: () => growthbook.getAttributes() })
    : undefined;
  const growthbook = new GrowthBook({ apiHost: url, clientKey, attributes, stickyBucketService });
  await growthbook.init({ timeout: 10_000, skipCache: true });
  const found = growthbook.getFeatureValue('sdk-sticky', null);
  growthbook.destroy();
  return found;
}
const stored = async (user) => (await assignment('sdk-sticky', user)).reason === 'existing';
const valueOf = { control: 'grey', green: 'green' };

await eventually('the SDK sees the flag', async () => (await value('somebody', { sticky: false })) !== null);
// The SDK chooses, and the server stores the same variant.
const before = users('sticky');
const chosen = new Map();
for (const user of before) {
  chosen.set(user, await value(user));
  await eventually(`the server has stored ${user}`, () => stored(user));
  must(`${user} has the variant of the server`, chosen.get(user), valueOf[(await assignment('sdk-sticky', user)).variant]);
}
must('some users have green and others do not', new Set(chosen.values()).size, 2);

await api('PATCH', '/experiments/sdk-sticky', { variants: variants(0, 100) });
const moved = before.find((user) => chosen.get(user) === 'grey');
await eventually('the SDK sees the new weights', async () => (await value(moved, { sticky: false })) === 'green');
for (const user of before) {
  must(`${user} keeps the variant with sticky buckets`, await value(user), chosen.get(user));
}
// The server refuses what its rules do not give.
const claim = { attributeName: 'id', attributeValue: 'sticky-new', assignments: { 'sdk-sticky__0': 'control' } };
const claimed = async (attributes) => {
  const response = await fetch(`${url}/sticky/${clientKey}`, { method: 'POST', body: JSON.stringify({ ...claim, attributes }) });
  must('the claim is answered', response.status, 200);
  return (await response.json()).assignments['sdk-sticky__0'];
};
must('a variant without weight', await claimed({ plan: 'pro' }), 'contradicting');
must('a user who is not targeted', await claimed({ plan: 'free' }), 'not_enrolled');
must('nothing is stored', await stored('sticky-new'), false);
finish('growthbook_sticky');
