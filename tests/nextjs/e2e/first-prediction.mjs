// A person opens a page, clicks its one button, and reads what it says: printed, with the time from click to text.
// node e2e/first-prediction.mjs ADDRESS CHROMIUM
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [address, executablePath] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const context = await chromium.launchPersistentContext(profile, { executablePath, args });
try {
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(address, { waitUntil: 'networkidle' }); // before that, React does not see the click
  const started = performance.now();
  await page.getByRole('button', { name: 'Predict' }).click();
  const output = page.locator('output:not(:empty)');
  await output.waitFor({ timeout: 60_000 });
  console.log(JSON.stringify({ said: await output.innerText(), ms: performance.now() - started }));
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
