namespace Lotse.Postgres;

/// <summary>A column whose type does not survive.</summary>
/// <param name="Column">schema.table.column.</param>
/// <param name="Type">The type that it holds or contains.</param>
public sealed record TypeUse(string Column, string Type);

/// <summary>A loadable library that functions of a database need.</summary>
/// <param name="Name">As pg_proc.probin names it: <c>$libdir/adminpack</c>.</param>
/// <param name="Function">One of the functions.</param>
public sealed record LibraryUse(string Name, string Function);

/// <summary>A view or rule that names a column of a system view.</summary>
/// <param name="View">schema.name of the user's view.</param>
/// <param name="System">The system view.</param>
/// <param name="Column">Its column.</param>
public sealed record SystemColumnUse(string View, string System, string Column);

/// <summary>A view or rule that calls a function of the system.</summary>
/// <param name="View">schema.name of the user's view.</param>
/// <param name="Function">Oid of the function.</param>
public sealed record SystemFunctionUse(string View, uint Function);

/// <summary>A text search dictionary that a user made.</summary>
/// <param name="Name">schema.name.</param>
/// <param name="Files">Options that name files: dictfile, afffile, stopwords, thesaurus, synonyms.</param>
public sealed record DictionaryUse(string Name, string[] Files);

/// <summary>An index whose order follows a collation.</summary>
/// <param name="Index">schema.name.</param>
/// <param name="Table">schema.name.</param>
/// <param name="Collation">Name; <c>default</c> is the database's.</param>
/// <param name="Provider">c, i or b.</param>
/// <param name="Locale">Its locale; null where the catalog does not say.</param>
/// <param name="Version">Recorded version; null: none.</param>
public sealed record OrderedIndex(string Index, string Table, string Collation, string Provider, string? Locale, string? Version)
{
    internal static OrderedIndex Of(string index, string table, CatalogCollation collation) => new(index, table, collation.Name, collation.Provider.ToString(), collation.Locale, collation.Version);
}

/// <summary>A collation that the new cluster must have, or that its users made.</summary>
/// <param name="Name">schema.name; one of pg_catalog by its name alone.</param>
/// <param name="Provider">c: the C library, i: ICU.</param>
/// <param name="Locale">Its locale.</param>
/// <param name="Version">The recorded version of the library; null: none.</param>
/// <param name="IsOwn">Whether users made it; otherwise each initdb makes it anew, if the system has its locale.</param>
public sealed record CollationUse(string Name, string Provider, string? Locale, string? Version, bool IsOwn);

/// <summary>A relation that stores what the server's Unicode says of text.</summary>
/// <param name="Relation">schema.name of a table with such a constraint, an index, a partitioned table or a materialized view.</param>
/// <param name="OnlyByDefault">Whether it does so only where the database's own collation is of the provider builtin.</param>
public sealed record UnicodeUse(string Relation, bool OnlyByDefault);

/// <summary>What in a database bears on an upgrade.</summary>
public sealed record DatabaseObjects
{
    /// <summary>Columns of reg* types whose oids are not kept.</summary>
    public TypeUse[] RegColumns { get; init; } = [];

    /// <summary>Columns of row types of the system's own tables.</summary>
    public TypeUse[] SystemComposites { get; init; } = [];

    /// <summary>Columns of type aclitem, whose form changed in 16.</summary>
    public TypeUse[] AclItems { get; init; } = [];

    /// <summary>Columns of types that were removed in 12: abstime, reltime, tinterval, and of sql_identifier.</summary>
    public TypeUse[] RemovedTypes { get; init; } = [];

    /// <summary>Tables with oids, gone in 12.</summary>
    public string[] WithOids { get; init; } = [];

    /// <summary>Libraries of functions in C.</summary>
    public LibraryUse[] Libraries { get; init; } = [];

    /// <summary>Operators without a right operand, gone in 14.</summary>
    public string[] PostfixOperators { get; init; } = [];

    /// <summary>Aggregates and operators over functions whose arguments changed in 14.</summary>
    public string[] Polymorphic { get; init; } = [];

    /// <summary>Encoding conversions, whose functions changed in 14.</summary>
    public string[] Conversions { get; init; } = [];

    /// <summary>Columns that may be null although their parent's may not.</summary>
    public string[] NullableChildren { get; init; } = [];

    /// <summary>Dictionaries that name files.</summary>
    public DictionaryUse[] Dictionaries { get; init; } = [];

    /// <summary>Columns of system views that user's views name.</summary>
    public SystemColumnUse[] SystemColumns { get; init; } = [];

    /// <summary>Functions of the system that user's views call and that some version no longer has.</summary>
    public SystemFunctionUse[] SystemFunctions { get; init => field = value ?? []; } = [];

    /// <summary>Indexes whose order follows a collation other than C.</summary>
    public OrderedIndex[] OrderedIndexes { get; init; } = [];

    /// <summary>Relations that store rows by an order other than that of C: partitioned by range, with a constraint, materialized.</summary>
    public OrderedIndex[] OrderedRelations { get; init => field = value ?? []; } = [];

    /// <summary>Collations of users, and those of the system that something of users names.</summary>
    public CollationUse[] Collations { get; init => field = value ?? []; } = [];

    /// <summary>Indexes whose build failed or was not finished: nobody reads them, and an upgrade leaves them out.</summary>
    public string[] InvalidIndexes { get; init => field = value ?? []; } = [];

    /// <summary>Indexes over functions of a user that have no search_path of their own: index and function.</summary>
    public string[] FunctionIndexes { get; init; } = [];

    /// <summary>Of these the ones that cannot be made anew without a search_path: the server itself expands the function's SQL.</summary>
    public string[] BrokenIndexes { get; init => field = value ?? []; } = [];

    /// <summary>Options that columns carry, each with one of them.</summary>
    public ColumnOption[] ColumnOptions { get; init => field = value ?? []; } = [];

    /// <summary>Relations that follow from the version of Unicode in the server (since 17).</summary>
    public UnicodeUse[] UnicodeUses { get; init => field = value ?? []; } = [];

    /// <summary>Indexes over gist_inet_ops or gist_cidr_ops, where these are a default (extension btree_gist).</summary>
    public string[] GistInetIndexes { get; init => field = value ?? []; } = [];

    /// <summary>Tables of users.</summary>
    public int Tables { get; init; }

    /// <summary>The name of one, for messages.</summary>
    public string? OneTable { get; init; }
}

/// <summary>An option of columns (pg_attribute.attoptions).</summary>
/// <param name="Name">Its name.</param>
/// <param name="Column">One column that has it.</param>
public sealed record ColumnOption(string Name, string Column);
