// Prints what Prisma's own parser makes of a schema: node prisma_dmmf.js PACKAGE SCHEMA
const { readFileSync } = require("node:fs");

const [, , packageName, path] = process.argv;
const prisma = require(packageName);
const files = [["schema.prisma", readFileSync(path, "utf8")]];
const position = { line: 0, character: 0 };
const options = { tabSize: 2, insertSpaces: true };
const edit = { textDocument: { uri: "schema.prisma" }, position, options };

prisma.validate(JSON.stringify({ prismaSchema: files, noColor: true }));
const formatted = JSON.parse(prisma.format(JSON.stringify(files), JSON.stringify(edit)));
const { datamodel } = JSON.parse(prisma.get_dmmf(JSON.stringify({ prismaSchema: files, noColor: true })));
const warnings = JSON.parse(prisma.lint(JSON.stringify(files)));
console.log(JSON.stringify({ datamodel, formatted: formatted[0][1], warnings }));
