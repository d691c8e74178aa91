/** Which transport the tests of the channel use. They are written once: openssh-*.test.ts set this and then import them. */
export const transportUnderTest = { name: 'ssh2' as 'ssh2' | 'openssh' };

/** True where the system's ssh is tried. */
export const opensshIsTried = (): boolean => transportUnderTest.name === 'openssh';
