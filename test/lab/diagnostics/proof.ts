// Titles of tests that show a diagnostic at work. `npm run catalog:evidence` reads these calls in the files of this folder: the name
// must be a literal.

/** The diagnostic shows a fault that the test planted. */
export const planted = (diagnostic: string, what: string): string => `${diagnostic}, planted: ${what}`;

/** The same without the fault: it is not shown. */
export const absent = (diagnostic: string, what: string): string => `${diagnostic}, absent: ${what}`;

/** The diagnostic shows the content of a real instance. */
export const genuine = (diagnostic: string, what: string): string => `${diagnostic}, genuine: ${what}`;
