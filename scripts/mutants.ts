/** Mutants of a TypeScript source: small changes of its behavior, each of which some test should notice. */
import { parseAst } from 'rolldown/parseAst';

export interface Mutant {
  /** The UTF-16 range of the source that is replaced. */
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** Which kind of change it is. */
  readonly mutator: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const ARITHMETIC: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '**': '*',
  '<<': '>>',
  '>>': '<<',
  '>>>': '<<',
  '&': '|',
  '|': '&',
  '^': '&',
};
const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
};
const MATH: Readonly<Record<string, string>> = { min: 'max', max: 'min', floor: 'ceil', ceil: 'floor', round: 'floor' };

/** Every mutant of the source, in the order of the source. */
export function mutantsOf(source: string): Mutant[] {
  const mutants: Mutant[] = [];
  const text = (node: Node) => source.slice(node.start, node.end);
  const add = (node: Node, mutator: string, replacement: string) => {
    mutants.push({ start: node.start, end: node.end, replacement, mutator });
  };
  /** Replaces the operator between two operands. */
  const operator = (node: Node, mutator: string, to: string) => {
    const [left, right] = [node.left as Node, node.right as Node];
    const at = left.end + source.slice(left.end, right.start).indexOf(node.operator as string);
    mutants.push({ start: at, end: at + (node.operator as string).length, replacement: to, mutator });
  };
  const mutators: Record<string, (node: Node) => void> = {
    BinaryExpression(node) {
      const op = node.operator as string;
      const joins = [node.left as Node, node.right as Node].some(isString);
      if (op in ARITHMETIC && !joins) operator(node, 'arithmetic', ARITHMETIC[op]!);
      for (const to of COMPARISONS[op] ?? []) operator(node, 'comparison', to);
    },
    AssignmentExpression(node) {
      const op = (node.operator as string).slice(0, -1);
      if (op in ARITHMETIC && !isString(node.right as Node)) operator(node, 'arithmetic', `${ARITHMETIC[op]}=`);
    },
    LogicalExpression(node) {
      if (node.operator === '??') add(node, 'default removed', text(node.left as Node));
      else operator(node, 'logic', node.operator === '&&' ? '||' : '&&');
    },
    UnaryExpression(node) {
      if (node.operator === '!' || node.operator === '-') add(node, 'negation removed', text(node.argument as Node));
    },
    UpdateExpression(node) {
      add(node, 'arithmetic', text(node).replace(node.operator as string, node.operator === '++' ? '--' : '++'));
    },
    IfStatement: (node) => negate(node.test as Node),
    ConditionalExpression: (node) => negate(node.test as Node),
    WhileStatement: (node) => negate(node.test as Node),
    Literal(node) {
      if (typeof node.value === 'boolean') add(node, 'boolean', String(!node.value));
      if (typeof node.value === 'number') for (const step of [1, -1]) add(node, 'constant', `(${node.value + step})`);
    },
    CallExpression(node) {
      const { object, property } = node.callee as Node & { object?: Node; property?: Node };
      if (!object || !property || text(object) !== 'Math') return;
      const other = MATH[text(property)];
      if (other) add(property, 'Math', other);
    },
    ExpressionStatement: (node) => add(node, 'statement removed', ';'),
    ThrowStatement: (node) => add(node, 'throw removed', ';'),
    ContinueStatement: (node) => add(node, 'statement removed', ';'),
    BreakStatement: (node) => add(node, 'statement removed', ';'),
  };
  /** The branches change places. */
  const negate = (test: Node) => add(test, 'condition negated', `!(${text(test)})`);

  const visit = (node: Node): void => {
    mutators[node.type]?.(node);
    // What an error says is not behavior that tests should pin down.
    if (node.type === 'ThrowStatement' || node.type === 'ImportDeclaration' || isType(node)) return;
    for (const child of children(node)) visit(child);
  };
  visit(parseAst(source, { lang: 'ts' }) as unknown as Node);
  return mutants.filter((mutant) => isValid(applyMutant(source, mutant))).sort((a, b) => a.start - b.start);
}

/** The source with the mutant in it. */
export function applyMutant(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

function* children(node: Node): Generator<Node> {
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield child;
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Types have no behavior; `as`, `satisfies` and `!` hold an expression. */
function isType({ type }: Node): boolean {
  return type.startsWith('TS') && !['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression'].includes(type);
}

function isString(node: Node): boolean {
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string');
}

function isValid(source: string): boolean {
  try {
    parseAst(source, { lang: 'ts' });
    return true;
  } catch {
    return false; // e.g. `a ?? b || c`
  }
}
