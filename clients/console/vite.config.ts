import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

// The server's content security policy allows no inline script and no eval, so nothing may be inlined here either.
export default defineConfig({
  plugins: [vue()],
  define: { __VUE_I18N_LEGACY_API__: false, __INTLIFY_PROD_DEVTOOLS__: false },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 900, emptyOutDir: true },
  server: { proxy: { '/api': { target: process.env.GUANTONG_URL ?? 'https://localhost:8443', secure: false, ws: true } } },
  test: { environment: 'happy-dom', include: ['test/unit/**/*.test.ts'] },
})
