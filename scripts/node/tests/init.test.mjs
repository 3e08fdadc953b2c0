// The command struggle-predictor in applications of every shape, with the real Python.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { folder, PYTHON } from './support.mjs';

const MAIN = join(import.meta.dirname, '..', 'dist', 'esm', 'cli', 'main.js');
const ROUTE = 'api/analytics/predictions/generate';
const APP = { 'package.json': '{}', 'tsconfig.json': '{}', 'src/app/page.tsx': '', 'prisma/schema.prisma': '' };

/** A new directory with these files; a value of null is an empty directory. */
function application(files) {
  const root = mkdtempSync(join(folder, "an app's "));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(text === null ? join(root, name) : dirname(join(root, name)), { recursive: true });
    if (text !== null) writeFileSync(join(root, name), text);
  }
  return root;
}

function run(root, words, { input = '', env = {} } = {}) {
  const settings = { cwd: root, input, encoding: 'utf8', timeout: 30_000, env: { ...process.env, ...env } };
  return spawnSync(process.execPath, [MAIN, ...words], settings);
}

const init = (root, ...words) => run(root, ['init', '--python', PYTHON, ...words]);

/** Names and texts of everything below a directory. */
function contents(root) {
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return Object.fromEntries(names.map((each) => join(each.parentPath, each.name)).sort().map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')]));
}

test('the App Router with TypeScript: a route, who may ask, and the variables', () => {
  const root = application(APP);
  const ran = init(root, '--yes');
  assert.equal(ran.status, 0, ran.stderr);
  const { [`src/app/${ROUTE}/route.ts`]: route, 'src/lib/may-predict.ts': may, '.env.example': env, ...others } = contents(root);
  assert.deepEqual(others, APP);
  assert.match(route, /from '\.\.\/\.\.\/\.\.\/\.\.\/\.\.\/lib\/may-predict'/);
  assert(route.includes(`process.env.STRUGGLE_PYTHON || '${PYTHON}'`));
  assert(route.includes(`process.env.STRUGGLE_SCHEMA || 'prisma/schema.prisma'`));
  assert.match(may, /return false/);
  assert.deepEqual(env.match(/^\w+(?==)/gm), ['DATABASE_URL', 'STRUGGLE_PYTHON', 'STRUGGLE_SCHEMA', 'STRUGGLE_WORKERS']);
  for (const said of ['App Router in src/app', 'Prisma schema prisma/schema.prisma', `Wrote src/app/${ROUTE}/route.ts`, '403']) {
    assert(ran.stdout.includes(said), said);
  }
  const again = init(root);
  assert.equal(again.status, 0);
  assert.match(again.stdout, /nothing/);
});

for (const [what, files, route, may] of [
  ['app', { 'app/page.tsx': '' }, `app/${ROUTE}/route.js`, 'lib/may-predict.js'],
  ['pages', { 'pages/index.js': '' }, `pages/${ROUTE}.js`, 'lib/may-predict.js'],
  ['src/pages in TypeScript', { 'src/pages/index.tsx': '', 'tsconfig.json': '' }, `src/pages/${ROUTE}.ts`, 'src/lib/may-predict.ts'],
  ['app beside pages', { 'app/x': '', 'pages/y': '' }, `app/${ROUTE}/route.js`, 'lib/may-predict.js'],
  ['pages beside src/app, which Next.js does not look at', { 'pages/y': '', 'src/app/x': '' }, `pages/${ROUTE}.js`, 'lib/may-predict.js'],
]) {
  test(`the router is found: ${what}`, () => {
    const root = application({ 'package.json': '{}', ...files });
    assert.equal(init(root, '--yes').status, 0);
    const text = readFileSync(join(root, route), 'utf8');
    assert(existsSync(join(root, may)));
    const named = /from '(.*may-predict)'/.exec(text)[1];
    assert(existsSync(`${join(root, dirname(route), named)}${may.slice(-3)}`));
    assert.match(text, /STRUGGLE_SCHEMA \|\| undefined/);
    assert(!text.includes('MAY_PREDICT'));
  });
}

for (const [what, files, schema] of [
  ['a configuration file', { 'prisma.config.ts': `export default defineConfig({\n  schema: "db/my.prisma",\n});`, 'db/my.prisma': '' }, 'db/my.prisma'],
  ['a configuration file with path.join', { 'prisma.config.mjs': `export default { schema: path.join('db', 'models') }`, 'db/models/a.prisma': '' }, 'db/models'],
  ['package.json', { 'package.json': '{"prisma": {"schema": "./db/schema.prisma"}}', 'db/schema.prisma': '' }, 'db/schema.prisma'],
  ['the usual file', { 'prisma/schema.prisma': '' }, 'prisma/schema.prisma'],
  ['the usual directory', { 'prisma/schema/a.prisma': '' }, 'prisma/schema'],
  ['a file elsewhere', { 'package.json': '{"prisma": {"schema": "../other/schema.prisma"}}' }, undefined],
]) {
  test(`the Prisma schema is found: ${what}`, () => {
    const root = application({ 'package.json': '{}', 'app/page.js': '', ...files });
    const ran = init(root, '--yes');
    assert.equal(ran.status, 0, ran.stderr);
    assert(ran.stdout.includes(schema === undefined ? 'name it in STRUGGLE_SCHEMA' : `the Prisma schema ${schema}.`), ran.stdout);
    assert.equal(readFileSync(join(root, '.env.example'), 'utf8').includes(`STRUGGLE_SCHEMA="${schema ?? ''}"`), true);
  });
}

test('it asks first, and anything but a yes changes nothing', () => {
  for (const input of ['n\n', '\n', '', 'yesterday\n']) {
    const root = application(APP);
    const ran = run(root, ['init', '--python', PYTHON], { input });
    assert.equal(ran.status, 1);
    assert.match(ran.stdout, /Shall this be done\? \[y\/N\]/);
    assert.deepEqual(contents(root), APP);
  }
  const root = application(APP);
  assert.equal(run(root, ['init', '--python', PYTHON], { input: 'y\n' }).status, 0);
  assert.equal(Object.keys(contents(root)).length, 7);
});

test('--dry-run prints the diff and changes nothing; the diff makes what init makes', () => {
  const files = { ...APP, '.env.example': 'A=1\nB=2\nC=3\nD=4\nE=5' };
  const words = ['--force', '.env.example'];
  const [root, applied, made] = [application(files), application(files), application(files)];
  const { status, stdout } = init(root, '--dry-run', ...words);
  assert.equal(status, 0);
  assert.deepEqual(contents(root), files);
  const patch = stdout.slice(stdout.indexOf('--- '));
  const git = spawnSync('git', ['apply', '-'], { cwd: applied, input: patch, encoding: 'utf8', env: { ...process.env, GIT_CEILING_DIRECTORIES: folder } });
  assert.equal(git.status, 0, git.stderr + patch);
  assert.equal(init(made, '--yes', ...words).status, 0);
  assert.deepEqual(contents(applied), contents(made));
});

test('existing files stay as they are, but for the one that --force names', () => {
  const route = `src/app/${ROUTE}/route.ts`;
  const files = { ...APP, [route]: 'mine', 'src/lib/may-predict.ts': 'mine', '.env.example': 'MINE=1\nSTRUGGLE_PYTHON=/x\n' };
  const root = application(files);
  const kept = init(root, '--yes');
  assert.equal(kept.status, 0);
  assert.deepEqual(contents(root), files);
  for (const name of [route, 'src/lib/may-predict.ts', '.env.example']) {
    assert(kept.stdout.includes(`--force ${name} lets it be changed`), name);
  }
  assert.match(kept.stdout, /\+STRUGGLE_WORKERS="0"/);
  assert.equal(init(root, '--yes', '--force', `./${route}`).status, 0);
  const now = contents(root);
  assert.notEqual(now[route], 'mine');
  assert.deepEqual({ ...now, [route]: 'mine' }, files);
  assert.equal(init(root, '--yes', '--force', '.env.example').status, 0);
  assert.match(contents(root)['.env.example'], /^MINE=1\nSTRUGGLE_PYTHON=\/x\n\n# .*\nDATABASE_URL=""\n/);
  for (const [name, status] of [['package.json', 2], ['.env', 2], ['../x', 78], ['/etc/passwd', 78], ['src', 2]]) {
    assert.equal(init(root, '--yes', '--force', name).status, status, name);
  }
});

test('.env is not even opened', () => {
  const root = application(APP);
  for (const name of ['.env', '.env.local']) spawnSync('mkfifo', [join(root, name)]); // whoever reads it waits for ever
  assert.equal(init(root, '--yes').status, 0);
  assert(statSync(join(root, '.env')).isFIFO());
});

for (const [link, directory] of [
  ['src/app', true], ['src', true], ['src/lib', true], [`src/app/${ROUTE}`, true], [`src/app/${ROUTE}/route.ts`, false],
  ['src/lib/may-predict.ts', false], ['.env.example', false], ['prisma', true], ['tsconfig.json', false],
]) {
  test(`nothing outside the application is read or written through a link: ${link}`, () => {
    const outside = application({ 'there/page.tsx': '', 'there/app/page.tsx': '', 'there/schema.prisma': 'secret', file: 'theirs' });
    const before = contents(outside);
    const { [link]: _, ...rest } = APP;
    const root = application(Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith(`${link}/`))));
    mkdirSync(dirname(join(root, link)), { recursive: true });
    symlinkSync(join(outside, directory ? 'there' : 'file'), join(root, link));
    const ran = init(root, '--yes', ...(link.includes('.ts') && link !== 'tsconfig.json' ? ['--force', link] : []));
    assert.deepEqual(contents(outside), before);
    assert.equal(ran.status, link === 'prisma' ? 0 : 78, ran.stdout + ran.stderr);
    if (link === 'prisma') assert.match(ran.stdout, /no Prisma schema/);
  });
}

test('a .struggle that is a link, or a virtual environment of somebody else, is left alone', () => {
  const outside = application({ file: 'theirs' });
  const root = application(APP);
  symlinkSync(outside, join(root, '.struggle'));
  const plain = application(APP);
  mkdirSync(join(plain, '.struggle/venv'), { recursive: true });
  const bare = spawnSync(PYTHON, ['-c', 'import sys; print(sys._base_executable)'], { encoding: 'utf8' }).stdout.trim();
  for (const each of [root, plain]) {
    assert.equal(run(each, ['init', '--yes', '--python', bare]).status, 78);
    assert(!existsSync(join(each, '.env.example')));
  }
  assert.deepEqual(contents(outside), { file: 'theirs' });
});

test('what is no application, no Python and no option is refused in one sentence', () => {
  const app = application(APP);
  for (const [root, words, status] of [
    [application({}), ['init', '--yes'], 78],
    [application({ 'package.json': '[' }), ['init', '--yes'], 78],
    [application({ 'package.json': '{}' }), ['init', '--yes'], 78],
    [app, ['init', '--yes', '--python', '/nowhere'], 78],
    [app, ['init', '--yes', '--python', process.execPath], 78],
    [app, ['init', '--nonsense'], 2],
    [app, ['init', 'here'], 2],
    [app, ['remove'], 2],
    [app, ['doctor', '--python'], 2],
    [app, ['doctor', '--python', '/nowhere/python'], 78],
  ]) {
    const ran = run(root, words);
    assert.equal(ran.status, status, words.join(' ') + ran.stderr);
    assert.match(ran.stderr, /^struggle-predictor: .*\n$/);
  }
  assert.deepEqual(contents(app), APP);
  for (const words of [['--help'], ['init', '--help']]) assert.match(run(app, words).stdout, /^Usage: npx --no-install/);
});

test('doctor prints the report of the command, and ends with its exit code', () => {
  const root = application({ ...APP, 'prisma/schema.prisma': 'model User {\n  id String @id\n}\n' });
  const report = run(root, ['doctor', '--python', PYTHON, '--demo']);
  assert.equal(report.status, 0, report.stderr);
  assert.equal(JSON.parse(report.stdout).ok, true);
  const broken = run(root, ['doctor', `--python=${PYTHON}`], { env: { DATABASE_URL: 'postgresql://me:pw@127.0.0.1:1/none' } });
  assert.notEqual(broken.status, 0);
  const { ok, schema } = JSON.parse(broken.stdout);
  assert.equal(ok, false);
  assert.match(schema.file, /prisma\/schema\.prisma$/);
});

test('the templates in JavaScript are those in TypeScript without their types', () => {
  const templates = join(import.meta.dirname, '..', 'templates');
  const made = application({});
  for (const kind of ['ts', 'js']) {
    cpSync(templates, join(made, kind), { recursive: true, filter: (path) => path === templates || path.endsWith(`.${kind}`) });
    const tsc = join(import.meta.dirname, '..', 'node_modules', 'typescript', 'bin', 'tsc');
    const words = ['--ignoreConfig', '--noCheck', '--allowJs', '--target', 'es2023', '--module', 'esnext', '--moduleResolution', 'bundler'];
    const files = readdirSync(join(made, kind)).map((name) => join(made, kind, name));
    spawnSync(process.execPath, [tsc, ...words, '--rootDir', join(made, kind), '--outDir', join(made, `${kind}-made`), ...files]);
  }
  assert.equal(Object.keys(contents(join(made, 'js-made'))).length, 4);
  assert.deepEqual(contents(join(made, 'ts-made')), contents(join(made, 'js-made')));
});
