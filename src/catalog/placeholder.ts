const PLACEHOLDER = /^(?:(.*)=(-?))?\{([a-z][a-z0-9_]{0,39})\}$/u;

/** The parameter a token stands for (`{name}`, `--x={name}`, `--x=-{name}`) and whether the token is nothing else. */
export const placeholderOf = (
  token: string,
): { readonly name: string; readonly whole: boolean; readonly option: string } | undefined => {
  const found = PLACEHOLDER.exec(token);
  const name = found?.[3];
  return name === undefined ? undefined : { name, whole: found?.[1] === undefined, option: found?.[1] ?? '' };
};
