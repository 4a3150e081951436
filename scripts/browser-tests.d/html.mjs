// The Nu Html Checker on every page. It needs Java; without it, nothing is checked.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { api, must, pages, token } from './common.mjs';

const run = promisify(execFile);
const java = await run('java', ['-version']).catch(() => undefined);
if (!java) {
  console.log('skipped html: it needs java');
  process.exit(0);
}
const signedIn = await fetch(`${api}/dashboard/sign-in`, {
  method: 'POST', body: new URLSearchParams({ token }), headers: { 'Sec-Fetch-Site': 'same-origin' }, redirect: 'manual',
});
const [Cookie] = signedIn.headers.get('set-cookie').split(';');
const folder = `${process.env.BROWSER_DATA}/html`;
await mkdir(folder, { recursive: true });
const files = [];
for (const [name, path] of [['sign-in', 'sign-in'], ...pages]) {
  const answer = await fetch(`${api}/dashboard/${path}`, { headers: { Cookie } });
  files.push(`${folder}/${name}.html`);
  await writeFile(files.at(-1), await answer.text());
}
const style = await fetch(`${api}/dashboard/experiments`, { headers: { Cookie } }).then((answer) => answer.text());
const css = await fetch(new URL(style.match(/href="([^"]*style\.css)"/)[1], `${api}/dashboard/experiments`));
must(css.status === 200, 'the style sheet is there');
const checker = createRequire(import.meta.url).resolve('vnu-jar/build/dist/vnu.jar');
const { stderr } = await run('java', ['-Xss8m', '-jar', checker, '--exit-zero-always', '--format', 'gnu', ...files], { maxBuffer: 1 << 26 });
const faults = stderr.split('\n').filter((line) => line.includes(': error') || line.includes(' error:'));
must(faults.length === 0, `the pages are valid HTML:\n${faults.join('\n')}`);
console.log(`${files.length} pages are valid HTML`);
