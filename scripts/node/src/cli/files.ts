// Files of the application: read and written below its root only, and never through a symbolic link.
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** Ends a command with this exit code and a sentence. */
export class Refused extends Error {
  constructor(readonly exitCode: number, message: string) {
    super(message);
  }
}

/** The absolute path of `name` below `root`. Throws Refused where it lies outside, or a link leads to it. */
export function inside(root: string, name: string): string {
  const path = resolve(root, name);
  const parts = relative(root, path).split(sep);
  if (parts[0] === '..' || resolve(root, ...parts) !== path || path === root) {
    throw new Refused(78, `${name} is outside the application's directory`);
  }
  for (let count = 1; count <= parts.length; count += 1) {
    const part = join(root, ...parts.slice(0, count));
    if (lstatSync(part, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new Refused(78, `${relative(root, part)} is a symbolic link, and nothing is read or written through one`);
    }
  }
  return path;
}

/** The text of a file below `root`; undefined where there is none. */
export function textOf(root: string, name: string): string | undefined {
  const path = inside(root, name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isFile()) throw new Refused(78, `${name} is not a file`);
  return readFileSync(path, 'utf8');
}

/** Whether there is a directory of this name below `root`, which is not a link. */
export function isDirectory(root: string, name: string): boolean {
  return lstatSync(resolve(root, name), { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Writes a new file, or replaces the one whose text is `replaced`; whole or not at all. */
export function write(root: string, name: string, text: string, replaced: string | undefined): void {
  const path = inside(root, name);
  mkdirSync(dirname(path), { recursive: true });
  if (replaced === undefined) {
    writeFileSync(path, text, { flag: 'wx' });
    return;
  }
  if (textOf(root, name) !== replaced) throw new Refused(74, `${name} was changed meanwhile, and stays as it is`);
  const unfinished = `${path}.unfinished-${process.pid}`;
  try {
    writeFileSync(unfinished, text, { flag: 'wx', mode: lstatSync(path).mode });
    renameSync(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
}
