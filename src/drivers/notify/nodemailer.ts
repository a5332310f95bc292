// The mail library in a bundle of its own: its text alone would cost every daemon a megabyte, with mail or without; so does TLS.

export { getCACertificates } from "node:tls";
export { createTransport } from "nodemailer";
