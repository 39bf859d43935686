import { defineConfig } from "vitest/config";

// The tests take the package as it is built: `make test-client` builds it first.
export default defineConfig({ test: { include: ["test/**/*.test.ts"], testTimeout: 60_000 } });
