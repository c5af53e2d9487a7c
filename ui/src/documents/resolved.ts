/**
 * An AsyncAPI 3 document as its viewer takes it without a parser: references replaced by what they
 * mean, each thing with its name in it. The parser compiles schemas while it runs (`unsafe-eval`),
 * which our policy forbids; that our document is valid, a test has found before.
 */
type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Node = { [name: string]: Json };

const NAME = "x-parser-unique-object-id";
const SCHEMA = "x-parser-schema-id";

/** The document with its references followed. Throws when one leads nowhere, or out of it. */
export function resolved(document: Node): Node {
  const made = new Map<string, Json>();

  function at(reference: string): Json {
    if (!reference.startsWith("#/")) throw new Error(`${reference} is not in the document`);
    const known = made.get(reference);
    if (known !== undefined) return known;
    let found: Json | undefined = document;
    for (const part of reference.slice(2).split("/").map(unescaped)) {
      found = isNode(found) ? found[part] : undefined;
    }
    if (found === undefined) throw new Error(`${reference} leads nowhere`);
    return copied(found, reference);
  }

  function copied(value: Json, place: string): Json {
    if (Array.isArray(value)) return value.map((one, n) => copied(one, `${place}/${n}`));
    if (!isNode(value)) return value;
    if (typeof value["$ref"] === "string") return at(value["$ref"]);
    const known = made.get(place);
    if (known !== undefined) return known;
    const copy: Node = {};
    // Before what is in it: some schemas are made of themselves.
    made.set(place, copy);
    for (const [name, inner] of Object.entries(value)) {
      copy[name] = copied(inner, `${place}/${escaped(name)}`);
    }
    return copy;
  }

  const whole = copied(document, "#") as Node;
  named(whole["channels"], NAME);
  named(whole["operations"], NAME);
  const components = whole["components"];
  if (isNode(components)) {
    named(components["messages"], NAME);
    named(components["schemas"], SCHEMA);
  }
  whole["x-parser-spec-parsed"] = true;
  return whole;
}

function named(things: Json | undefined, key: string): void {
  if (!isNode(things)) return;
  for (const [name, thing] of Object.entries(things)) {
    if (isNode(thing)) thing[key] = name;
  }
}

function isNode(value: Json | undefined): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");
const unescaped = (part: string) => part.replaceAll("~1", "/").replaceAll("~0", "~");
