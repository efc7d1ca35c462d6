// Every function answers with the JSON of the command of its name; docs/ describes the keys. Options
// are those of the command line: {seqLen: 2048} is --seq-len 2048, an array repeats the option.

/** A name of a built-in model, or a spec or a Hugging Face config as an object. */
export type Model = string | Record<string, unknown>;
export type Value = string | number | boolean | Record<string, unknown>;
export type Options = Record<string, Value | Value[] | undefined>;
export type Json = Record<string, any>;

/** What the command line would have said on standard error, and its exit code. */
export class VitalsError extends Error {
  exitCode: number;
}

export interface Result {
  code: number;
  out: string;
  err: string;
  written: Record<string, Uint8Array>;
}

export interface Circumstances {
  /** Standard input. */
  input?: string;
  /** Files in the working directory. */
  files?: Record<string, string | Uint8Array>;
  /** Files to hand back. */
  outputs?: string[];
}

/** Any command line: run(["summary", "gpt2"]). */
export function run(args: string[], circumstances?: Circumstances): Promise<Result>;

export function summary(model: Model, options?: Options): Promise<Json>;
export function flops(model: Model, options?: Options): Promise<Json>;
export function memory(model: Model, options?: Options): Promise<Json>;
export function predict(model: Model, options: Options & { device: string }): Promise<Json>;
export function rules(model: Model, options?: Options): Promise<Json>;
export function listOps(model: Model, options?: Options): Promise<Json>;
export function plan(model: Model, options?: Options): Promise<Json>;
export function spec(model: Model, options?: Options): Promise<Json>;
export function compare(models: Model[], options?: Options): Promise<Json>;
/** torchsummary's table, as text. */
export function table(model: Model, options?: Options): Promise<string>;
/** The HTML report. */
export function report(model: Model, options?: Options): Promise<string>;
export function list(options?: Options): Promise<Json>;
export function devices(options?: Options): Promise<Json>;
