// Lighthouse: performance and accessibility of the pages with the most on them, on a slow phone and on a desktop.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { api, must, token } from './common.mjs';

const run = promisify(execFile);
const least = 0.95;
const signedIn = await fetch(`${api}/dashboard/sign-in`, {
  method: 'POST', body: new URLSearchParams({ token }), headers: { 'Sec-Fetch-Site': 'same-origin' }, redirect: 'manual',
});
const [Cookie] = signedIn.headers.get('set-cookie').split(';');
const folder = `${process.env.BROWSER_DATA}/lighthouse`;
await mkdir(folder, { recursive: true });
await writeFile(`${folder}/headers.json`, JSON.stringify({ Cookie }));
for (const path of ['experiments', 'experiments/simulation-2026', 'flags/search', 'operations']) {
  for (const preset of ['mobile', 'desktop']) {
    const output = `${folder}/${preset}-${path.replaceAll('/', '-')}.json`;
    const settings = preset === 'desktop' ? ['--preset=desktop'] : [];
    await run(process.execPath, [
      `${process.env.LIGHTHOUSE}/lighthouse/cli/index.js`, `${api}/dashboard/${path}`, '--quiet', '--output=json', `--output-path=${output}`,
      '--only-categories=performance,accessibility', `--extra-headers=${folder}/headers.json`, '--no-enable-error-reporting',
      '--chrome-flags=--headless --no-sandbox --disable-gpu', ...settings,
    ], { env: { ...process.env, CHROME_PATH: process.env.CHROMIUM }, maxBuffer: 1 << 26 });
    const { categories, audits, finalDisplayedUrl } = JSON.parse(await readFile(output, 'utf8'));
    must(!finalDisplayedUrl.includes('sign-in'), `${path} is shown with a session`);
    const [performance, accessibility] = [categories.performance.score, categories.accessibility.score];
    const [shift, paint] = [audits['cumulative-layout-shift'].numericValue, audits['largest-contentful-paint'].numericValue];
    console.log(`   ${preset} ${path}: performance ${100 * performance}, accessibility ${100 * accessibility}, layout shift ${shift}, largest paint ${Math.round(paint)} ms`);
    must(performance >= least && accessibility >= least, `${path} has at least ${100 * least} of 100 (${preset})`);
    must(shift === 0, `nothing moves on ${path} (${preset}): ${shift}`);
  }
}
