// Makes TypeScript of the exported JSON Schemas, and Java of the exported AsyncAPI document:
//     node generate.mjs EXPORTED TO        writes TO/typescript/*.ts and TO/java/servicecert/*.java

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const [exported, to] = process.argv.slice(2);
const require = createRequire(path.join(to, 'package.json'));
const { compileFromFile } = require('json-schema-to-typescript');
const { JavaGenerator } = require('@asyncapi/modelina');

const typescript = path.join(to, 'typescript');
const java = path.join(to, 'java', 'servicecert');
fs.mkdirSync(typescript, { recursive: true });
fs.mkdirSync(java, { recursive: true });

// How many an array may have is for validators: types of it would be a union of tuples.
const options = { additionalProperties: false, bannerComment: '', ignoreMinAndMaxItems: true };
const types = {};
for (const name of fs.readdirSync(path.join(exported, 'json')).sort()) {
  const file = path.join(exported, 'json', name);
  const made = await compileFromFile(file, options);
  // So that an editor offers the members that are known, beside any other one.
  const open = made.replace(/^(export type \w+ = Known\w+ \|) string;/gm, '$1 (string & {});');
  fs.writeFileSync(path.join(typescript, name.replace(/json$/, 'ts')), open);
  types[name.replace(/\.json$/, '')] = JSON.parse(fs.readFileSync(file, 'utf8')).title;
}
const lines = (line) => Object.entries(types).map(([type, name]) => line(type, name)).join('\n');
fs.writeFileSync(path.join(typescript, 'index.ts'), `${lines((type, name) => `import type { ${name} } from './${type}.js';`)}

export type { ${Object.values(types).join(', ')} };

/** The data of each type of event, by the record's header \`ce_type\`. */
export interface Events {
${lines((type, name) => `  '${type}': ${name};`)}
}
`);

const document = JSON.parse(fs.readFileSync(path.join(exported, 'asyncapi.json'), 'utf8'));
// modelina makes nothing of a version that it does not know, and the document has nothing that 3.0 lacks.
document.asyncapi = '3.0.0';
const models = await new JavaGenerator({ collectionType: 'List' }).generateCompleteModels(document, { packageName: 'servicecert' });
// A list that is open is an Object in Java: of it there is a model without a name.
for (const model of models.filter((each) => each.modelName)) {
  fs.writeFileSync(path.join(java, `${model.modelName}.java`), model.result);
}
