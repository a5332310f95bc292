// Where the control socket is. Apart from server and client, so that a tool loads neither to know it.

export const controlSocketPath = "/run/tandem/tandemd.sock";
