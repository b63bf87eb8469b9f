/**
 * A kit for tests of programs that use this package, for any test runner: connections without a socket, whose peer is in the
 * hands of the test and whose time is that of its clock; a real server on a free port, and a real client; and expectations of
 * how connections end.
 */
export { type Client, type ClientEnded, type ClientOptions, ConnectFailed } from "./Client.js"
export type { Ended } from "./Endings.js"
export { ExpectationFailed } from "./ExpectationFailed.js"
export { expectStop, type ExpectedStop } from "./expectStop.js"
export {
  connect,
  type ConnectOptions,
  type MemoryServer,
  type MemoryServerOptions,
  serve
} from "./MemoryServer.js"
export { client } from "./RealClient.js"
export type { Manners, Peer, PeerEnded, PeerOptions } from "./Peer.js"
export { layerServer } from "./ServerLayer.js"
