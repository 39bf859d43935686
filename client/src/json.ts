// JSON as it stands: numbers keep all their digits, no member may stand twice, and a part can be
// written again. JSON.parse rounds numbers above 2^53 and takes the last of equal members.
import { type ErrorCode, VerdictError, shown } from "./error.js";

export type Json =
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, Json> }
  | { readonly kind: "array"; readonly items: readonly Json[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "number"; readonly digits: string }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "null" };

const MAX_DEPTH = 64;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPECIAL = /["\\\u0000-\u001f]/g;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WORD = /true|false|null/y;

/** The text of bytes that are UTF-8; refuses more than `limit` of them. */
export function textOf(source: string | Uint8Array | ArrayBuffer, limit: number, what: string): string {
  const bytes = ArrayBuffer.isView(source) || Object.prototype.toString.call(source) === "[object ArrayBuffer]";
  if (typeof source !== "string" && !bytes) {
    throw new VerdictError("json", `${what}: expected its text or its bytes, got ${shown(source)}`);
  }
  const length = typeof source === "string" ? source.length : source.byteLength;
  if (length > limit) {
    throw new VerdictError("json", `${what} is larger than ${limit} bytes; is this the right file?`);
  }
  if (typeof source === "string") return source;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source);
  } catch (cause) {
    throw new VerdictError("json", `${what} is not UTF-8 text; is this the right file?`, { cause });
  }
}

/**
 * Where the string that begins at `at` ends, behind its quote, or where it goes wrong. A pattern for
 * all of a string would run out of stack on long ones.
 */
function endOfString(text: string, at: number): { end: number; wrong?: string } {
  let next = at + 1;
  for (;;) {
    SPECIAL.lastIndex = next;
    const found = SPECIAL.exec(text);
    if (found === null) return { end: text.length, wrong: "it ends too early" };
    if (found[0] === '"') return { end: found.index + 1 };
    ESCAPE.lastIndex = found.index;
    const escape = ESCAPE.exec(text);
    if (escape === null) {
      const cut = found[0] === "\\" && found.index + 6 > text.length;
      const wrong = cut ? "it ends too early" : "a string has a character or an escape that it may not have";
      return { end: found.index, wrong };
    }
    next = found.index + escape[0].length;
  }
}

/** Parses JSON; `what` is named where it is none. */
export function parseJson(text: string, what: string): Json {
  let at = 0;
  const fail = (why: string): never => {
    const before = text.slice(0, at).split("\n");
    const place = `line ${before.length} column ${(before.at(-1)?.length ?? 0) + 1}`;
    throw new VerdictError("json", `${what} is not valid JSON: ${why} at ${place}`);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const space = () => match(SPACE);
  const takes = (character: string): boolean => {
    const found = text[at] === character;
    if (found) at += 1;
    return found;
  };
  const expect = (character: string) => {
    if (!takes(character)) fail(at >= text.length ? "it ends too early" : `expected \`${character}\``);
  };

  const string = (): string => {
    if (text[at] !== '"') return fail(at >= text.length ? "it ends too early" : "expected a string");
    const { end, wrong } = endOfString(text, at);
    const found = text.slice(at, end);
    at = end;
    if (wrong !== undefined) return fail(wrong);
    return JSON.parse(found) as string;
  };
  const object = (depth: number): Json => {
    const members = new Map<string, Json>();
    space();
    if (!takes("}")) {
      do {
        space();
        const name = string();
        if (members.has(name)) fail(`${shown(name)} stands twice, the second time`);
        space();
        expect(":");
        members.set(name, value(depth + 1));
      } while (takes(","));
      expect("}");
    }
    return { kind: "object", members };
  };
  const array = (depth: number): Json => {
    const items: Json[] = [];
    space();
    if (!takes("]")) {
      do items.push(value(depth + 1));
      while (takes(","));
      expect("]");
    }
    return { kind: "array", items };
  };
  const plain = (): Json => {
    if (text[at] === '"') return { kind: "string", value: string() };
    const digits = match(NUMBER);
    if (digits) return { kind: "number", digits };
    const word = match(WORD);
    if (word === "null") return { kind: "null" };
    if (word) return { kind: "boolean", value: word === "true" };
    return fail(at >= text.length ? "it ends too early" : "expected a value");
  };
  const value = (depth: number): Json => {
    if (depth > MAX_DEPTH) fail("it is nested too deeply");
    space();
    const found = takes("{") ? object(depth) : takes("[") ? array(depth) : plain();
    space();
    return found;
  };

  if (text.startsWith("\ufeff")) fail("a byte order mark stands before it; save it as UTF-8 without one,");
  const found = value(0);
  if (at < text.length) fail("something follows its end");
  return found;
}

/**
 * A part as the programs write it, without space. Numbers stand as they stood, but for those under `floats`: the
 * programs hold these as floats and write 1 as 1.0, whatever another program made of it in between.
 */
export function written(part: Json, floats?: Json): string {
  const write = (json: Json, asFloats: boolean): string => {
    const float = asFloats || json === floats;
    switch (json.kind) {
      case "object":
        return `{${[...json.members].map(([name, value]) => `${JSON.stringify(name)}:${write(value, float)}`).join(",")}}`;
      case "array":
        return `[${json.items.map((item) => write(item, float)).join(",")}]`;
      case "string":
        return JSON.stringify(json.value);
      case "number":
        return float ? writtenFloat(json.digits) : json.digits;
      case "boolean":
        return String(json.value);
      case "null":
        return "null";
    }
  };
  return write(part, false);
}

/** A float in its shortest digits, with a point or an exponent. */
function writtenFloat(digits: string): string {
  const value = Number(digits);
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return digits;
  if (size !== 0 && (size < 1e-5 || size >= 1e16)) return value.toExponential();
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** Reads a value of known form; what has another one is refused with its path. */
export class Reader {
  constructor(
    private readonly json: Json,
    private readonly path: string,
    private readonly what: string,
    private readonly code: ErrorCode,
  ) {}

  /** Refuses the value. */
  fail(reason: string): never {
    const place = this.path === "" ? this.what : `${this.what} field \`${this.path}\``;
    throw new VerdictError(this.code, `${place}: ${reason}`);
  }

  private expected(form: string): never {
    const { json } = this;
    const got = json.kind === "string" ? shown(json.value) : json.kind === "number" ? json.digits.slice(0, 80) : json.kind;
    return this.fail(`expected ${form}, got ${got}`);
  }

  private at(json: Json, name: string | number): Reader {
    const path = typeof name === "number" ? `${this.path}[${name}]` : this.path === "" ? name : `${this.path}.${name}`;
    return new Reader(json, path, this.what, this.code);
  }

  /** Refuses members beside these. */
  only(names: readonly string[]): this {
    if (this.json.kind !== "object") this.expected("an object");
    for (const name of this.json.members.keys()) {
      if (!names.includes(name)) this.fail(`unknown field ${shown(name)}, expected one of ${names.join(", ")}`);
    }
    return this;
  }

  /** A member that has to be there. */
  get(name: string): Reader {
    return this.find(name) ?? this.fail(`missing field \`${name}\``);
  }

  /** A member that may be missing; null is missing, too. */
  find(name: string): Reader | undefined {
    if (this.json.kind !== "object") return this.expected("an object");
    const member = this.json.members.get(name);
    return member === undefined || member.kind === "null" ? undefined : this.at(member, name);
  }

  isNull(): boolean {
    return this.json.kind === "null";
  }

  list<T>(read: (item: Reader) => T): T[] {
    if (this.json.kind !== "array") return this.expected("a list");
    return this.json.items.map((item, index) => read(this.at(item, index)));
  }

  string(): string {
    return this.json.kind === "string" ? this.json.value : this.expected("a string");
  }

  /** The value, if it is a string. */
  text(): string | undefined {
    return this.json.kind === "string" ? this.json.value : undefined;
  }

  boolean(): boolean {
    return this.json.kind === "boolean" ? this.json.value : this.expected("true or false");
  }

  /** Any number, as the nearest float. */
  float(): number {
    if (this.json.kind !== "number") return this.expected("a number");
    const value = Number(this.json.digits);
    return Number.isFinite(value) ? value : this.fail("the number is out of range");
  }

  /** An integer, exactly. */
  integer(min: bigint, max: bigint): bigint {
    if (this.json.kind !== "number" || !/^-?[0-9]+$/.test(this.json.digits) || this.json.digits.length > 80) {
      return this.expected("an integer");
    }
    const value = BigInt(this.json.digits);
    return value < min || value > max ? this.fail(`${value} is outside [${min}, ${max}]`) : value;
  }

  /** An integer that fits a float. */
  count(max: number): number {
    return Number(this.integer(0n, BigInt(max)));
  }

  u64(): bigint {
    return this.integer(0n, (1n << 64n) - 1n);
  }

  /** Hexadecimal of so many bytes, or of any number; in lower case. */
  hex(bytes?: number): `0x${string}` {
    const text = this.string();
    const digits = text.startsWith("0x") ? text.slice(2) : text;
    if (/[^0-9a-fA-F]/.test(digits) || digits.length % 2 !== 0 || (bytes !== undefined && digits.length !== 2 * bytes)) {
      return this.expected(`${bytes === undefined ? "" : `${bytes} `}bytes in hexadecimal`);
    }
    return `0x${digits.toLowerCase()}`;
  }
}
