import { configureGlobal } from 'fast-check';

// Property tests repeat: the same seed unless told otherwise, so that a red run can be run again and a green one means the same
// everywhere. To search further: MCP_PRA_SEED=<n> npm test -- test/unit
configureGlobal({ seed: Number(process.env['MCP_PRA_SEED'] ?? 20_261_121) });
