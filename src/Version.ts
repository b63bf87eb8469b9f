/**
 * The version of the package, as `package.json` has it.
 *
 * Written down here, since what is bundled and what is imported as a library would each have to look for that file in
 * another place.
 */
export const VERSION = "0.1.0"
