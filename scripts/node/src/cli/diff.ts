// The difference between two texts, in the form of `diff -u`.

const CONTEXT = 3;

/** The difference of a file's text; `before` undefined where the file is new. Empty where nothing changes. */
export function unified(name: string, before: string | undefined, after: string): string {
  if (before === after) return '';
  const old = lines(before ?? '');
  const now = lines(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let tail = 0;
  while (tail < old.length - start && tail < now.length - start && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;

  const from = Math.max(0, start - CONTEXT);
  const after_ = Math.min(tail, CONTEXT);
  const hunk = [
    ...old.slice(from, start).map((line) => ` ${line}`),
    ...old.slice(start, old.length - tail).map((line) => `-${line}`),
    ...now.slice(start, now.length - tail).map((line) => `+${line}`),
    ...old.slice(old.length - tail, old.length - tail + after_).map((line) => ` ${line}`),
  ];
  const place = (all: string[]): string => {
    const count = all.length - tail + after_ - from;
    return `${count === 0 ? from : from + 1},${count}`;
  };
  const head = [before === undefined ? '--- /dev/null' : `--- a/${name}`, `+++ b/${name}`];
  return `${[...head, `@@ -${place(old)} +${place(now)} @@`, ...hunk].join('\n')}\n`;
}

function lines(text: string): string[] {
  if (text === '') return [];
  const found = text.split('\n');
  if (found.at(-1) === '') found.pop();
  else found.push(`${found.pop()}\n\\ No newline at end of file`);
  return found;
}
