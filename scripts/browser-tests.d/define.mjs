// What the pages show: experiments, flags, segments, layers, a holdout and a user.
import { call, hostileName } from './common.mjs';

const variants = (...keys) => keys.map((key) => ({ key, percent: 100 / keys.length }));
const purchase = { key: 'purchase', name: 'Purchase rate', kind: 'conversion', event_type: 'purchase', role: 'primary' };

await call('POST', '/segments', { id: 'beta-testers', name: 'Beta testers', ids: ['ann', 'bea'] });
await call('POST', '/segments', { id: 'europe', name: 'Europe', condition: { country: { $in: ['AT', 'DE', 'FR'] } } });
await call('PUT', '/layers/checkout', { name: 'Checkout' });
await call('POST', '/experiments', { id: 'winter-holdout', name: 'Winter', holdout: { percent: 5 }, metrics: [purchase] });
await call('POST', '/experiments', {
  id: 'checkout-button', name: 'Checkout button', owner: 'Payments', variants: variants('control', 'green'),
  metrics: [purchase], hypothesis: 'A green button is found sooner.', targeting: { id: { $inGroup: 'beta-testers' } },
});
await call('PATCH', '/experiments/checkout-button', { traffic_percent: 80, reason: 'fewer tickets' }, { 'If-Match': '*' });
await call('POST', '/experiments', {
  id: 'search-ranking', name: 'Search ranking by margin', status: 'draft', owner: 'Search',
  variants: variants('control', 'margin', 'popularity', 'mixed'), metrics: [purchase],
});
await call('POST', '/experiments', {
  id: 'one-page', name: 'One page', layer: { id: 'checkout', percent: 40 }, variants: variants('control', 'one-page'), metrics: [purchase],
});
await call('POST', '/experiments', {
  id: 'hostile', name: hostileName, owner: hostileName, hypothesis: hostileName,
  variants: variants('control', 'other').map((one) => ({ ...one, name: hostileName })),
  metrics: [{ ...purchase, name: hostileName }],
});
await call('POST', '/experiments', {
  id: 'arabic', name: 'اختبار صفحة الدفع الجديدة', status: 'draft', variants: variants('control', 'new'), metrics: [purchase],
});
await call('POST', '/flags', {
  key: 'new-checkout', name: 'New checkout', value_type: 'boolean', owner: 'Payments',
  variants: [{ key: 'on', value: true }, { key: 'off', value: false }],
  environments: {
    production: {
      enabled: true, off_variant: 'off', default_variant: 'off',
      rules: [
        { id: 'team', type: 'serve', condition: { email: { $regex: '@example[.]com$' } }, variant: 'on' },
        { id: 'first', type: 'rollout', variants: [{ variant: 'on', percent: 100 }], traffic_percent: 5 },
      ],
    },
  },
});
await call('POST', '/flags', {
  key: 'hostile', name: hostileName, value_type: 'string', variants: [{ key: 'a', value: hostileName }],
  environments: { production: { enabled: false, off_variant: 'a', default_variant: 'a' } },
});
await call('POST', '/flags', {
  key: 'search', name: 'Search', value_type: 'object', owner: 'Search', requires_approval: true, tags: ['web'],
  variants: [{ key: 'few', value: { results: 10 } }, { key: 'many', value: { results: 50 } }],
  environments: { production: { enabled: true, off_variant: 'few', default_variant: 'few' } },
});
const rule = { id: 'half', type: 'rollout', variants: [{ variant: 'many', percent: 100 }], traffic_percent: 50 };
const production = { enabled: true, off_variant: 'few', default_variant: 'few', rules: [rule] };
await call('PUT', '/flags/search/draft', { name: 'Search of the shop', environments: { production }, reason: 'fewer pages' }, { 'If-Match': '*' });
await call('POST', '/client-keys', { name: 'Shop', origins: ['https://shop.example'], flag_tags: ['web'], event_types: ['page_view'] });
await call('POST', '/experiments', {
  id: 'prices', name: 'Prices', variants: variants('control', 'round'), metrics: [purchase], dimensions: ['country'],
});
for (const [user, country] of [['dan', 'DE'], ['eve', 'FR'], ['fay', 'DE']]) {
  await call('GET', `/experiments/prices/assignment/${user}?country=${country}`);
}
await call('GET', '/experiments/checkout-button/assignment/ann');
await call('POST', '/events', { events: [
  { user_id: 'ann', type: 'purchase', value: 19.99, event_id: 'order-1' },
  { user_id: 'ann', type: hostileName.slice(0, 60), event_id: 'order-2' },
] });
