// @growthbook/growthbook-react, rendered on a server with react-dom.
import {
  FeatureString,
  GrowthBook,
  GrowthBookProvider,
  IfFeatureEnabled,
  useFeatureIsOn,
  useFeatureValue,
} from '@growthbook/growthbook-react';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { clientKey, finish, must, plain, split, url } from './common.mjs';

async function rendered(attributes, component, key = clientKey) {
  const growthbook = new GrowthBook({ apiHost: url, clientKey: key, attributes });
  await growthbook.init({ timeout: 10_000 });
  const html = renderToStaticMarkup(createElement(GrowthBookProvider, { growthbook }, createElement(component)));
  growthbook.destroy();
  return html;
}

// The value of a flag as the component of an application gets it from a hook.
async function values(attributes, flags, key) {
  let found;
  await rendered(attributes, () => {
    found = flags.map(([key, otherwise]) => useFeatureValue(key, otherwise));
    return null;
  }, key);
  return found;
}

const flags = plain.map(({ key, otherwise }) => [key, otherwise]);
must('every type has its value', await values({ id: 'react-ann' }, flags), plain.map(({ value }) => value));
const others = [['sdk-disabled', 'x'], ['sdk-unknown', 'x'], ['sdk-targeted', 'x']];
must('other flags', await values({ id: 'react-ann', plan: 'free', age: 30 }, others), ['off', 'x', 'basic']);
must('a targeting rule', await values({ id: 'react-ann', plan: 'pro', age: 30 }, others), ['off', 'x', 'extended']);
must('a wrong key has defaults', await values({ id: 'react-ann' }, flags, 'ck_AAAAAAAAAAAAAAAAAAAAAA'), plain.map(({ otherwise }) => otherwise));

await split(
  'react',
  async (id) => {
    const [rollout, tested] = await values({ id }, [['sdk-rollout', null], ['sdk-tested', null]]);
    return { rollout, tested };
  },
  { stored: false },
);

const Page = () => {
  const isOn = useFeatureIsOn('sdk-boolean');
  return createElement(
    'p',
    { className: isOn ? 'on' : 'off' },
    createElement(FeatureString, { feature: 'sdk-string', default: 'default' }),
    createElement(IfFeatureEnabled, { feature: 'sdk-boolean' }, createElement('b')),
    createElement(IfFeatureEnabled, { feature: 'sdk-unknown' }, createElement('i')),
  );
};
must('a page is rendered', await rendered({ id: 'react-ann' }, Page), '<p class="on">Grün, 日本 and 😀<b></b></p>');
finish('growthbook_react');
