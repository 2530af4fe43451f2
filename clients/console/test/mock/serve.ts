import { Mock } from './server.ts'

// npm run mock: looks at the built page without a server. Log in as admin, password secret.
const url = await new Mock('dist').listen(Number(process.env.PORT ?? 8088))
console.log(url)
