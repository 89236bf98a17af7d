import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// Where `npm run dev` finds the public API.
const gateway = process.env.FLIXTUBE_URL ?? 'http://127.0.0.1:4000';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // Every asset is a file with a hash in its name: it can be cached for ever,
    // and the page needs no `data:` URIs from us.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/api': { target: gateway, changeOrigin: true } },
  },
  test: {
    include: ['src/**/*.test.ts'],
  },
});
