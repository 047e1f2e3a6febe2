// Style sheets are bundled together with the program (scripts/build-page.mjs).
declare module '*.css' {}
