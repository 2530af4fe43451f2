/** What a person or a telephone is given once, on paper. It lives in this page only, until it is printed and thrown away. */
export interface Credential { number: number; name: string; user?: string; password?: string; username?: string; secret?: string }
