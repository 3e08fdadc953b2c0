// Writes src/answer.ts, the types of answers and failures, from the JSON Schemas that the command prints; --print prints
// them.
// PYTHON names the interpreter in which the project is installed; by default `python`.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';

const BANNER = '// Made by generate-types.mjs from the schemas of `python -m scripts.schemas`: do not edit.';

function published(name) {
  const words = ['-m', 'scripts.schemas', name];
  const cwd = new URL('../..', import.meta.url);
  return JSON.parse(execFileSync(process.env.PYTHON || 'python', words, { cwd, encoding: 'utf8' }));
}

const { allOf: _rules, ...schema } = published('answer'); // the rules are about values, which types do not see
const { advice, change, factors, features, indicators } = schema.properties;
advice.items.title = 'Advice';
const [changed] = change.anyOf;
changed.title = 'Change';
const moved = changed.properties.factors.anyOf[0].items;
moved.title = 'MovedFactor';
factors.items.title = 'Factor';
factors.items.properties.objectives.items.title = 'NamedObjective';
features.title = 'Features';
indicators.items.title = 'Indicator';
const name = factors.items.properties.feature;
schema.$defs = { FeatureName: { ...name, title: 'FeatureName' } };
for (const holder of [factors.items.properties, moved.properties, indicators.items.properties.context.properties]) {
  const { enum: values } = holder.feature;
  const others = values.filter((value) => !name.enum.includes(value));
  const named = { $ref: '#/$defs/FeatureName' };
  holder.feature = others.length > 0 ? { anyOf: [named, { enum: others }] } : named;
}
features.properties.defaulted.items = { $ref: '#/$defs/FeatureName' };
const options = {
  additionalProperties: false, // later versions may add fields, but no program should use one that it does not know
  bannerComment: '',
  style: { printWidth: 120, singleQuote: true },
};
const answer = await compile({ ...schema, title: 'Answer' }, 'Answer', options);
const code = published('failure').properties.error.properties.code;
const types = `${BANNER}\n\n${answer}\n${await compile({ ...code, title: 'CommandCode' }, 'CommandCode', options)}`;
if (process.argv.includes('--print')) process.stdout.write(types);
else writeFileSync(new URL('src/answer.ts', import.meta.url), types);
