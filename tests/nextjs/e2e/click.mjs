// A person opens the learner's page, asks for a prediction, reads it, and says how it went. Prints what was on the page.
// node e2e/click.mjs BASE_URL LEARNER OBJECTIVE CHROMIUM SCREENSHOTS_FOLDER
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base, learner, objective, executablePath, screenshots] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
  viewport: { width: 1100, height: 900 },
  colorScheme: 'light',
});
const problems = [];

try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && problems.push(`${message.text()} ${message.location().url}`));
  page.on('request', (request) => new URL(request.url()).origin === base || problems.push(`asked ${request.url()}`));

  await page.goto(`${base}/`);
  await page.locator(`a[href$="/${learner}"]`).click();
  await page.waitForURL(`**/learners/${learner}`);

  const card = page.locator(`[data-objective="${objective}"]`);
  const others = page.locator(`[data-objective]:not([data-objective="${objective}"])`);
  const nothingYet = await card.locator('[data-probability]').count();
  const [reply] = await Promise.all([
    page.waitForResponse((response) => response.url().endsWith('/api/analytics/predictions/generate')),
    card.getByRole('button', { name: 'Predict' }).click(),
  ]);
  const { stored, answer } = await reply.json();
  await card.getByText(answer.reasoning).waitFor();
  const byPackage = await page.evaluate(async (asked) => {
    const headers = { 'Content-Type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(asked) };
    return (await fetch('/api/analytics/predictions/by-package', request)).json();
  }, { userId: learner, objectiveId: objective });
  const shown = {
    probability: Number(await card.locator('[data-probability]').getAttribute('data-probability')),
    percent: await card.locator('[data-probability]').innerText(),
    level: await card.locator('.level').innerText(),
    reasoning: await card.locator('.reasoning').innerText(),
    factors: await card.locator('[data-feature]').evaluateAll((rows) => rows.map((row) => row.dataset.feature)),
    points: await card.locator('.points').allInnerTexts(),
    absent: await card.locator('.absent').innerText(),
  };

  for (let place = 0; place < (await others.count()); place += 1) {
    await Promise.all([
      page.waitForResponse((response) => response.url().endsWith('/generate')),
      others.nth(place).getByRole('button', { name: 'Predict' }).click(),
    ]);
    await others.nth(place).locator('[data-probability]').waitFor();
  }

  await page.reload();
  await page.screenshot({ path: join(screenshots, 'light.png'), fullPage: true });
  const order = await page.locator('[data-objective]').evaluateAll((cards) => cards.map((one) => one.dataset.objective));
  const reloaded = Number(await card.locator('[data-probability]').getAttribute('data-probability'));

  await card.getByRole('button', { name: 'I struggled' }).click();
  await card.getByText('Thank you').waitFor();
  await page.emulateMedia({ colorScheme: 'dark' });
  await card.getByRole('button', { name: 'Predict again' }).click();
  await card.locator('.reasoning').waitFor();
  await page.screenshot({ path: join(screenshots, 'dark.png'), fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  await page.screenshot({ path: join(screenshots, 'narrow.png'), fullPage: true });

  const accessible = await page.evaluate(inspect);
  console.log(JSON.stringify({ nothingYet, stored, answer, byPackage, shown, order, reloaded, overflow, accessible, problems }));
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}

/** In the page: what a screen reader needs, and the least contrast of any text against what lies behind it. */
function inspect() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([red, green, blue]) =>
    [red, green, blue]
      .map((byte) => byte / 255)
      .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4))
      .reduce((sum, share, place) => sum + share * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const contrasts = [...document.querySelectorAll('body *')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((element) => element.checkVisibility())
    .map((element) => {
      const [one, other] = [light(rgba(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => a - b);
      return (other + 0.05) / (one + 0.05);
    });
  return {
    language: document.documentElement.lang,
    title: document.title,
    headings: [...document.querySelectorAll('h1, h2')].map((heading) => heading.tagName),
    namelessButtons: [...document.querySelectorAll('button')].filter((button) => !button.innerText.trim()).length,
    smallestButton: Math.min(...[...document.querySelectorAll('button')].map((button) => button.offsetHeight)),
    leastContrast: Math.min(...contrasts),
  };
}
