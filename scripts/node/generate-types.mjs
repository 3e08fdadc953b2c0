// Writes src/answer.ts, the types of an answer, from the JSON Schema that the command prints; --print prints them.
// PYTHON names the interpreter in which the project is installed; by default `python`.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';

const BANNER = '// Made by generate-types.mjs from `python -m scripts.schemas answer`: do not edit.';

const printed = execFileSync(process.env.PYTHON || 'python', ['-m', 'scripts.schemas', 'answer'], {
  cwd: new URL('../..', import.meta.url),
  encoding: 'utf8',
});
const { allOf: _rules, ...schema } = JSON.parse(printed); // the rules are about values, which types do not see
const { factors, features, indicators } = schema.properties;
factors.items.title = 'Factor';
features.title = 'Features';
indicators.items.title = 'Indicator';
const name = factors.items.properties.feature;
schema.$defs = { FeatureName: { ...name, title: 'FeatureName' } };
for (const holder of [factors.items.properties, indicators.items.properties.context.properties]) {
  const { enum: values } = holder.feature;
  const others = values.filter((value) => !name.enum.includes(value));
  const named = { $ref: '#/$defs/FeatureName' };
  holder.feature = others.length > 0 ? { anyOf: [named, { enum: others }] } : named;
}
features.properties.defaulted.items = { $ref: '#/$defs/FeatureName' };
const types = await compile({ ...schema, title: 'Answer' }, 'Answer', {
  additionalProperties: false, // later versions may add fields, but no program should use one that it does not know
  bannerComment: BANNER,
  style: { printWidth: 120, singleQuote: true },
});
if (process.argv.includes('--print')) process.stdout.write(types);
else writeFileSync(new URL('src/answer.ts', import.meta.url), types);
