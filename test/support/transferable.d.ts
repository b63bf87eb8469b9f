/**
 * What the types of `@effect/rpc` want of a browser's, which this program doesn't have.
 */
type Transferable = object
