// A hook for Node's module loader: each branch of lib/ counts how often it runs, for coverage.mjs.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const LIB = new URL('../../lib/', import.meta.url).href;
/** As coverage.mjs makes it. */
export const PLACES = 1 << 15;
let places = 0;

export async function load(url, context, next) {
  if (!url.startsWith(LIB) || !url.endsWith('.js')) return next(url, context);
  return {
    format: 'module',
    shortCircuit: true,
    source: instrumented(await readFile(fileURLToPath(url), 'utf8')),
  };
}

const { SyntaxKind } = ts;
const LOGICAL = new Set([
  SyntaxKind.AmpersandAmpersandToken,
  SyntaxKind.BarBarToken,
  SyntaxKind.QuestionQuestionToken,
]);

function instrumented(source) {
  const file = ts.createSourceFile('module.js', source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const count = () => `__covered[${places++ % PLACES}]++`;
  const emit = (node) => {
    let text = '';
    let at = node.pos;
    ts.forEachChild(node, (child) => {
      const between = source.slice(at, child.pos);
      text += `${between}${wrapped(node, child, emit(child))}`;
      at = child.end;
    });
    text += source.slice(at, node.end);
    if (!ts.isBlock(node)) return text;
    const brace = node.getStart(file) - node.pos + 1;
    return `${text.slice(0, brace)}${count()};${text.slice(brace)}`;
  };
  const wrapped = (parent, child, text) => {
    const isBranch =
      (ts.isIfStatement(parent) && (child === parent.thenStatement || child === parent.elseStatement)) ||
      (ts.isIterationStatement(parent, false) && child === parent.statement);
    if (isBranch) return ts.isBlock(child) ? text : `{${count()};${text}}`;
    if (ts.isCaseOrDefaultClause(parent) && child === parent.statements[0]) return `${count()};${text}`;
    const isArm =
      (ts.isConditionalExpression(parent) && (child === parent.whenTrue || child === parent.whenFalse)) ||
      (ts.isBinaryExpression(parent) && LOGICAL.has(parent.operatorToken.kind) && child === parent.right) ||
      (ts.isArrowFunction(parent) && child === parent.body && !ts.isBlock(child));
    return isArm ? `(${count()},${text})` : text;
  };
  return `const __covered=globalThis.__covered;${emit(file)}`;
}
