// Checks results about MCP tasks, a JSON object of lists on stdin, against the schemas the extension publishes.

import { text } from "node:stream/consumers";
import * as schemas from "@modelcontextprotocol/ext-tasks/core/v2";

const results = JSON.parse(await text(process.stdin));
const findings = Object.entries(results).flatMap(([schema, documents]) =>
  documents.map((document) => [schema, schemas[schema].safeParse(document)]),
);
const wrong = findings.filter(([, finding]) => !finding.success);
console.log(
  JSON.stringify({ checked: findings.length, wrong: wrong.map(([name, { error }]) => [name, error.message]) }),
);
