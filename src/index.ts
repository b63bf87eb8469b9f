/**
 * A WebSocket server that always has the last word, as an Effect Layer.
 */
export * as CloseCode from "./protocol/CloseCode.js"
export type { Connection } from "./connection/Connection.js"
export { ConnectionClosed } from "./connection/ConnectionClosed.js"
export type { StopOptions } from "./connection/StopOptions.js"
export { Connections, type PageOptions } from "./registry/Connections.js"
export type { ConnectionEvent } from "./registry/Events.js"
export { ConnectionId, ConnectionNotFound } from "./protocol/ConnectionId.js"
export type { ConnectionInfo, Page } from "./registry/ConnectionInfo.js"
export { echo } from "./connection/Echo.js"
export * as EchoServer from "./EchoServer.js"
export * as Endpoint from "./server/Endpoint.js"
export * as FaultPlan from "./faults/FaultPlan.js"
export * as Faults from "./faults/Faults.js"
export type { Handler } from "./connection/Handler.js"
export { type HandshakeRequest, HandshakeRefused } from "./server/HandshakeRefused.js"
export * as Json from "./Json.js"
export * as Message from "./protocol/Message.js"
export { type BroadcastOptions, type Delivery, Room, type RoomOptions } from "./room/Room.js"
export { Rooms } from "./room/Rooms.js"
export {
  type Limits,
  ServerConfig,
  type ServerOptions,
  type ServerSettings,
  type Timeout
} from "./ServerConfig.js"
export { StartError } from "./http/StartError.js"
export { StopReason } from "./protocol/StopReason.js"
export type { StopSignal } from "./connection/StopSignal.js"
export * as Upgrader from "./Upgrader.js"
export * as WebSocketServer from "./WebSocketServer.js"
