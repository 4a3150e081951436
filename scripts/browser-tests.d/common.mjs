// The browser, the API, and what all tests share.
import { chromium } from 'playwright-core';

export const api = process.env.ASSAY_URL;
export const token = process.env.ASSAY_TOKEN;

/** Calls the API and returns the JSON of its answer. */
export async function call(method, path, body, headers = {}) {
  const answer = await fetch(api + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

export function must(holds, what) {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}

export async function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** Signs in with a token, as somebody who pastes it. */
export async function signIn(page, text = token) {
  await page.goto(`${api}/dashboard/sign-in`);
  await page.fill('#token', text);
  await page.click('main button[type=submit]');
}

const only = process.env.ONLY_PAGES?.split(',');

/** Every page with data on it, or those of ONLY_PAGES: a name for its picture, and its path. */
export const pages = [
  ['experiments', 'experiments'],
  ['experiment', 'experiments/simulation-2026'],
  ['metric', 'experiments/simulation-2026/metrics/purchase'],
  ['history', 'experiments/checkout-button/history'],
  ['draft', 'experiments/search-ranking'],
  ['start', 'experiments/search-ranking/change/start'],
  ['stop', 'experiments/checkout-button/change/stop'],
  ['release', 'experiments/checkout-button/change/release'],
  ['hostile', 'experiments/hostile'],
  ['sorted', 'experiments?sort=name'],
  ['audit', 'experiments/checkout-button/audit'],
  ['part', 'experiments/one-page/change/layer'],
  ['new-experiment', 'new-experiment'],
  ['flags', 'flags'],
  ['flag', 'flags/new-checkout?user=ann&attributes=%7B%22country%22%3A%22DE%22%7D&environment=production'],
  ['switch', 'flags/new-checkout/switch/production'],
  ['new-flag', 'new-flag'],
  ['edit-flag', 'flags/new-checkout/edit'],
  ['rules', 'flags/new-checkout/rules/production'],
  ['drafted', 'flags/search'],
  ['publish', 'flags/search/do/publish'],
  ['flag-history', 'flags/search/history'],
  ['revert', 'flags/search/do/revert-1'],
  ['archive', 'flags/new-checkout/do/archive'],
  ['segments', 'segments'],
  ['segment', 'segments/beta-testers'],
  ['new-segment', 'new-segment'],
  ['edit-list', 'segments/beta-testers/edit'],
  ['edit-segment', 'segments/europe/edit'],
  ['delete-segment', 'segments/beta-testers/delete'],
  ['layers', 'layers'],
  ['layer', 'layers/checkout'],
  ['new-layer', 'new-layer'],
  ['edit-layer', 'layers/checkout/edit'],
  ['delete-layer', 'layers/checkout/delete'],
  ['holdouts', 'holdouts'],
  ['new-holdout', 'new-holdout'],
  ['operations', 'operations'],
  ['users', 'users'],
  ['user', 'users?id=ann&experiment=checkout-button'],
  ['erase', 'users/erase?id=ann'],
  ['missing', 'experiments/nowhere'],
].filter(([name]) => !only || only.includes(name));

/** Names that try to be more than text. */
export const hostileName = `"><script>alert(1)</script><img src=x onerror=alert(2)> ‮abc ${'long'.repeat(25)}`;
