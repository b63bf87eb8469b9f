/**
 * A WebSocket server that always has the last word, as an Effect Layer.
 */
export * as CloseCode from "./protocol/CloseCode.js"
export { Connection, ConnectionClosed, type Handler, type StopOptions } from "./connection/Connection.js"
export { Connections } from "./registry/Connections.js"
export type { ConnectionEvent } from "./registry/Events.js"
export { ConnectionId, ConnectionNotFound } from "./protocol/ConnectionId.js"
export type { ConnectionInfo } from "./registry/ConnectionInfo.js"
export { echo } from "./connection/Echo.js"
export * as EchoServer from "./EchoServer.js"
export * as FaultPlan from "./faults/FaultPlan.js"
export * as Faults from "./faults/Faults.js"
export * as Message from "./protocol/Message.js"
export { ServerConfig, type ServerOptions, type ServerSettings } from "./ServerConfig.js"
export { StartError } from "./http/StartError.js"
export { StopReason } from "./protocol/StopReason.js"
export type { StopSignal } from "./connection/StopSignal.js"
export * as WebSocketServer from "./WebSocketServer.js"
