/** One of a few, as a row of buttons; in truth radio buttons, with their keys. */

interface Props<T extends string> {
  readonly legend: string;
  readonly name: string;
  readonly options: Readonly<Record<T, string>>;
  readonly value: T;
  readonly disabled?: readonly T[];
  readonly onChange: (value: T) => void;
}

export function Choice<T extends string>({ legend, name, options, value, disabled = [], onChange }: Props<T>) {
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      <div class="choice-row">
        {(Object.entries(options) as [T, string][]).map(([option, text]) => (
          <label key={option}>
            <input
              type="radio"
              name={name}
              value={option}
              checked={option === value}
              disabled={disabled.includes(option)}
              onChange={() => onChange(option)}
            />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
