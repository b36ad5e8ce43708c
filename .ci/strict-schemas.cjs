// Compiles JSON Schemas with Ajv in strict mode, where an unknown keyword, a keyword without its type and a union of
// types are errors. Usage: node strict-schemas.cjs FILE...
const fs = require("node:fs");
const Ajv = require("ajv/dist/2020");

const schemas = process.argv.slice(2).map((file) => JSON.parse(fs.readFileSync(file, "utf8")));
const ajv = new Ajv({ strict: true, allErrors: true });
for (const schema of schemas) ajv.addSchema(schema);
let failed = 0;
for (const schema of schemas) {
  try {
    ajv.getSchema(schema.$id);
    console.log(`${schema.$id}: strict`);
  } catch (error) {
    failed += 1;
    console.error(`${schema.$id}: ${error.message}`);
  }
}
process.exit(failed ? 1 : 0);
