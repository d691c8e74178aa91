/**
 * Output of a diagnostic's sections, by name, as text. Invalid UTF-8 is U+FFFD, a section that was cut ends at its last
 * complete line.
 */
export type SectionTexts = ReadonlyMap<string, string>;

/** Exit codes by section; 127 when there is no such program, 124 when its time was over. */
export type SectionCodes = ReadonlyMap<string, number>;

/**
 * Turns output into values by fact name. Must take any input: never throws, and says nothing (undefined) about what it
 * cannot read. Types and sizes are enforced afterwards, by the facts the diagnostic declares.
 */
export type FactParser = (sections: SectionTexts, codes: SectionCodes) => Readonly<Record<string, unknown>>;
