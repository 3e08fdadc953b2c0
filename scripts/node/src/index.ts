export type { Advice, Answer, CommandCode, Factor, Features, FeatureName, Indicator } from './answer.js';
export type { PredictorOptions } from './options.js';
export { createPredictor, isId, type Predict, type PredictOptions, type Predictor } from './predictor.js';
export type { Failure, PackageCode, Prediction } from './result.js';
