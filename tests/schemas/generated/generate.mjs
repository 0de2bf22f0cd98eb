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

for (const name of fs.readdirSync(path.join(exported, 'json'))) {
  const made = await compileFromFile(path.join(exported, 'json', name), { additionalProperties: false, bannerComment: '' });
  fs.writeFileSync(path.join(typescript, name.replace(/json$/, 'ts')), made);
}

const document = JSON.parse(fs.readFileSync(path.join(exported, 'asyncapi.json'), 'utf8'));
// modelina makes nothing of a version that it does not know, and the document has nothing that 3.0 lacks.
document.asyncapi = '3.0.0';
const models = await new JavaGenerator({ collectionType: 'List' }).generateCompleteModels(document, { packageName: 'servicecert' });
// A list that is open is an Object in Java: of it there is a model without a name.
for (const model of models.filter((each) => each.modelName)) {
  fs.writeFileSync(path.join(java, `${model.modelName}.java`), model.result);
}
